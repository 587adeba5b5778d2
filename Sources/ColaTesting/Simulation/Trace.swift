internal import NIOCore

/// What happened in a run: a hash of all of it, and the last lines for people.
///
/// Two runs are the same if their hashes are: every byte on every link goes into it.
package struct Trace {
    /// FNV-1a, 64 bits.
    package private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private var lines: [String] = []
    private var next = 0
    /// All lines, if they are asked for.
    package private(set) var all: [String] = []
    private let keepsAll: Bool

    private static let linesMax = 80

    init(keepsAll: Bool) { self.keepsAll = keepsAll }

    mutating func note(_ time: Int64, _ text: String) {
        mix(UInt64(bitPattern: time))
        var text = text
        text.withUTF8 { mix(UnsafeRawBufferPointer($0)) }
        let line = "\(Self.milliseconds(time)) \(text)"
        if keepsAll { all.append(line) }
        if lines.count < Self.linesMax { lines.append(line) } else { lines[next] = line }
        next = (next + 1) % Self.linesMax
    }

    /// Bytes on a link.
    mutating func note(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { mix($0) }
    }

    /// The last lines, oldest first.
    package var last: [String] {
        lines.count < Self.linesMax ? lines : Array(lines[next...] + lines[..<next])
    }

    private mutating func mix(_ bytes: UnsafeRawBufferPointer) {
        var hash = hash
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        self.hash = hash
    }

    private mutating func mix(_ value: UInt64) {
        withUnsafeBytes(of: value) { mix($0) }
    }

    private static func milliseconds(_ time: Int64) -> String {
        let fraction = String(time / 1_000 % 1_000)
        return "\(time / 1_000_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }
}
