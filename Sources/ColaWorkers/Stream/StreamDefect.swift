/// What a worker of mode `stream` wrote, or did, that no worker may: after it nothing that it says can be trusted.
package struct StreamDefect: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was wrong, with what it was about: `it answered delivery 7, which it does not hold`.
    package let description: String

    package init(_ description: String) {
        self.description = description
    }

    /// A line that is no answer.
    package init(line: UnsafeRawBufferPointer, _ problem: String) {
        self.init("it wrote '\(Self.quoted(line))', which is no answer: \(problem)")
    }

    /// How much of a line is shown. Bytes.
    private static let quotedBytesMax = 80

    /// Its beginning, without line breaks and the like.
    private static func quoted(_ line: UnsafeRawBufferPointer) -> String {
        let shown = line.prefix(quotedBytesMax).map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }
        return String(decoding: shown, as: UTF8.self) + (line.count > quotedBytesMax ? "…" : "")
    }
}
