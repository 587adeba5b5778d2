import ColaKafka
import NIOCore
import Testing

/// A stream of bytes is cut into frames, and a size that cannot be is refused before anything is gathered for it.
@Suite struct FrameScannerTests {
    private func scan(_ bytes: [UInt8], from start: Int = 0, sizeMax: Int = 1_000) -> FrameScanner.Scan {
        bytes.withUnsafeBytes { FrameScanner.scan($0, from: start, sizeMax: sizeMax) }
    }

    @Test func aSizeIsNeededFirst() {
        for count in 0..<4 { #expect(scan(Array(repeating: 0, count: count)) == .incomplete(needed: 4)) }
        #expect(scan([9, 0, 0, 0], from: 1) == .incomplete(needed: 4))
    }

    @Test func aFrameIsWholeAtItsLastByte() {
        let bytes: [UInt8] = [7, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0]
        for count in 5..<8 { #expect(scan(Array(bytes[..<count]), from: 1) == .incomplete(needed: 7)) }
        for count in 8...bytes.count { #expect(scan(Array(bytes[..<count]), from: 1) == .frame(5..<8)) }
        #expect(scan(bytes, from: 8) == .frame(12..<12))
    }

    @Test func whatIsTooLargeIsRefusedByItsSizeAlone() {
        #expect(scan([0, 0, 3, 0xE8]) == .incomplete(needed: 1_004))
        #expect(scan([0, 0, 3, 0xE9]) == .malformed(.tooLarge(size: 1_001, max: 1_000)))
        #expect(scan([0x7F, 255, 255, 255]) == .malformed(.tooLarge(size: 2_147_483_647, max: 1_000)))
        #expect(scan([0x7F, 255, 255, 255], sizeMax: .max) == .incomplete(needed: 2_147_483_651))
        #expect(scan([255, 255, 255, 255]) == .malformed(.negative(size: -1)))
        #expect(scan([0x80, 0, 0, 0]) == .malformed(.negative(size: -2_147_483_648)))
    }
}
