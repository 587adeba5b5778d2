/// Cuts what a process writes into lines, for somebody who takes them one by one.
///
/// Lines end with a line feed; what is no UTF-8 is repaired; of a line that is too long the beginning is given, once.
package final class OutputLines {
    /// The longest line. Bytes.
    package static let lineBytesMax = 4096

    private let take: (String) -> Void
    private var rest: [UInt8] = []

    package init(_ take: @escaping (String) -> Void) {
        self.take = take
    }

    package func append(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            if byte == 0x0A {
                end(isWhole: true)
            } else if rest.count < Self.lineBytesMax {
                rest.append(byte)
            }
        }
    }

    /// Nothing more comes: what has not ended is a line as well.
    package func end() { end(isWhole: false) }

    private func end(isWhole: Bool) {
        guard isWhole || !rest.isEmpty else { return }
        if rest.last == 0x0D { rest.removeLast() }
        take(String(decoding: rest, as: UTF8.self))
        rest.removeAll(keepingCapacity: true)
    }
}
