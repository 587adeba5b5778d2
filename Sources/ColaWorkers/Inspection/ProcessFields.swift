/// A file of `/proc/PID` with a name and a value on each line: `status`, `io`.
///
/// Shape:  `VmHWM:\t    2252 kB`; the unit is left out of what is handed out.
/// Source: proc_pid_status(5), proc_pid_io(5)
package struct ProcessFields: Equatable, Sendable {
    private let lines: [ArraySlice<UInt8>]

    package init(_ text: [UInt8]) {
        // The last line may have been cut off, and then in the middle of a number.
        let whole = text[..<(text.lastIndex(of: UInt8(ascii: "\n")) ?? 0)]
        lines = whole.split(separator: UInt8(ascii: "\n"))
    }

    /// The number behind the name; nil if there is no such line, or no number on it.
    ///
    /// The last such line counts: the only value that a process chooses is its name, and that comes first.
    package func number(_ name: String) -> Int64? {
        guard let line = lines.last(where: { $0.starts(with: "\(name):".utf8) }) else { return nil }
        let value = line.dropFirst(name.utf8.count + 1).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return value.first.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
    }
}
