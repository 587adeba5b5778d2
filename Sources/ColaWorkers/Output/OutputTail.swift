internal import DequeModule

/// The last lines that a process wrote, as far as they have room.
///
/// Lines end with a line feed; what is no UTF-8 is repaired; of a line that is too long the beginning stays.
package struct OutputTail: Sendable {
    private let bytesMax: Int
    private var lines: Deque<[UInt8]> = []
    private var bytes = 0
    /// The line that has not ended yet.
    private var rest: [UInt8] = []

    /// - Parameter bytesMax: of all lines together.
    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    package mutating func append(_ bytes: some BidirectionalCollection<UInt8>) {
        for byte in skipWhatGoes(bytes) {
            if byte == 0x0A {
                endLine()
            } else if rest.count < bytesMax {
                rest.append(byte)
            }
        }
    }

    /// Much at a time is not looked at line by line where later lines leave no room for it.
    private mutating func skipWhatGoes<Bytes: BidirectionalCollection<UInt8>>(_ bytes: Bytes) -> Bytes.SubSequence {
        // A line may count half of its bytes, as its carriage return does not.
        guard bytes.count > 2 * bytesMax + 2, let last = bytes.lastIndex(of: 0x0A),
            let start = bytes.index(last, offsetBy: -2 * bytesMax - 2, limitedBy: bytes.startIndex),
            let end = bytes[start...].firstIndex(of: 0x0A)
        else { return bytes[...] }
        lines = []
        self.bytes = 0
        rest = []
        return bytes[bytes.index(after: end)...]
    }

    private mutating func endLine() {
        if rest.last == 0x0D { rest.removeLast() }
        bytes += rest.count + 1
        lines.append(rest)
        rest = []
        while bytes > bytesMax, let first = lines.popFirst() { bytes -= first.count + 1 }
    }

    /// With the line that has not ended as the last.
    package var text: [String] {
        (Array(lines) + (rest.isEmpty ? [] : [rest])).map { String(decoding: $0, as: UTF8.self) }
    }
}
