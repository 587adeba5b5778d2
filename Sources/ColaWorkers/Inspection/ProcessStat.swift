/// The line that the kernel has about a process in `/proc/PID/stat`.
///
/// Shape:  times are clock ticks, the start since the machine was started; memory is in bytes and in pages.
/// Source: proc_pid_stat(5)
package struct ProcessStat: Equatable, Sendable {
    /// Of the program, at most 15 bytes; a process can call itself whatever it likes.
    package let command: String
    package let state: KernelState
    package let parent: Int32
    package let group: Int32
    package let session: Int32
    package let userTicks: Int64
    package let systemTicks: Int64
    package let nice: Int
    package let threads: Int
    package let startTicks: Int64
    package let virtualBytes: Int64
    package let residentPages: Int64

    /// - Returns: nil if this is no such line, or a part of one.
    package init?(_ line: [UInt8]) {
        // A name may hold anything, brackets and line feeds too; no bracket comes behind it.
        guard let open = line.firstIndex(of: UInt8(ascii: "(")), let close = line.lastIndex(of: UInt8(ascii: ")")),
            open < close
        else { return nil }
        command = String(decoding: line[(open + 1)..<close], as: UTF8.self)
        let fields = line[(close + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        guard fields.count > 21, let letter = fields[0].first, fields[0].count == 1 else { return nil }
        func number<Number: FixedWidthInteger>(_ index: Int) -> Number? {
            Number(String(decoding: fields[index], as: UTF8.self))
        }
        guard let parent: Int32 = number(1), let group: Int32 = number(2), let session: Int32 = number(3),
            let userTicks: Int64 = number(11), let systemTicks: Int64 = number(12), let nice: Int = number(16),
            let threads: Int = number(17), let startTicks: Int64 = number(19), let virtualBytes: Int64 = number(20),
            let residentPages: Int64 = number(21)
        else { return nil }
        state = KernelState(letter: letter)
        self.parent = parent
        self.group = group
        self.session = session
        self.userTicks = userTicks
        self.systemTicks = systemTicks
        self.nice = nice
        self.threads = threads
        self.startTicks = startTicks
        self.virtualBytes = virtualBytes
        self.residentPages = residentPages
    }
}
