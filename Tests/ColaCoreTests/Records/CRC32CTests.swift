import ColaCore
import ColaTesting
import Testing

@Suite struct CRC32CTests {
    @Test func theCheckValueIsThatOfTheStandard() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.portableChecksum(Array("123456789".utf8)) == 0xE306_9283)
    }

    /// RFC 3720, appendix B.4. The RFC prints the bytes as they are sent; here they are read as a number.
    @Test func theExamplesOfTheRFCHold() {
        let examples: [(bytes: [UInt8], checksum: UInt32)] = [
            (Array(repeating: 0, count: 32), 0x8A91_36AA),
            (Array(repeating: 0xff, count: 32), 0x62A8_AB43),
            (Array(0..<32), 0x46DD_794E),
            (Array((0..<32).reversed()), 0x113F_DB5C),
        ]
        for example in examples {
            #expect(CRC32C.checksum(example.bytes) == example.checksum)
            #expect(CRC32C.portableChecksum(example.bytes) == example.checksum)
        }
    }

    @Test func nothingHasTheChecksumZero() {
        #expect(CRC32C.checksum([]) == 0)
        #expect(CRC32C.portableChecksum([]) == 0)
        #expect(CRC32C.checksum(UnsafeRawBufferPointer(start: nil, count: 0)) == 0)
    }

    /// The instruction takes eight bytes at a time and the rest singly, so every size and every alignment counts.
    @Test func theInstructionAndTheTableAgreeAtEverySizeAndAlignment() {
        var random = SplitMix64(seed: 1)
        let bytes = (0..<400).map { _ in UInt8.random(in: 0...255, using: &random) }
        bytes.withUnsafeBytes { buffer in
            for start in 0..<16 {
                for count in 0...(start == 0 ? 384 : 72) {
                    let part = UnsafeRawBufferPointer(rebasing: buffer[start..<start + count])
                    #expect(CRC32C.checksum(part) == CRC32C.portableChecksum(Array(part)), "\(start), \(count) bytes")
                }
            }
        }
    }

    @Test func theyAgreeOnLargeBlocks() {
        var random = SplitMix64(seed: 2)
        for size in [4_096, 65_537, 1_048_575] {
            let bytes = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(CRC32C.checksum(bytes) == CRC32C.portableChecksum(bytes), "\(size) bytes")
        }
    }

    @Test func everyFlippedBitChangesIt() {
        var bytes = Array("a record batch's worth of text".utf8)
        let checksum = CRC32C.checksum(bytes)
        for bit in 0..<bytes.count * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8)
            #expect(CRC32C.checksum(bytes) != checksum, "bit \(bit)")
            bytes[bit / 8] ^= 1 << (bit % 8)
        }
    }
}
