/// What a process may use at most, as `/proc/PID/limits` has it.
///
/// Source: proc_pid_limits(5)
package struct ProcessLimits: Equatable, Sendable {
    /// Nil: not known, or without limit.
    package let openFiles: Int64?
    /// Address space, in bytes.
    package let memoryBytes: Int64?
    package let cpuSeconds: Int64?

    /// - Parameter text: a table with a line for each limit: its name, what holds now, what may be asked for, a unit.
    package init(_ text: [UInt8]) {
        let lines = text.split(separator: UInt8(ascii: "\n"))
        func soft(_ name: String) -> Int64? {
            guard let line = lines.first(where: { $0.starts(with: name.utf8) }) else { return nil }
            let word = line.dropFirst(name.utf8.count).split(separator: UInt8(ascii: " ")).first
            return word.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
        }
        openFiles = soft("Max open files")
        memoryBytes = soft("Max address space")
        cpuSeconds = soft("Max cpu time")
    }
}
