/// How many processes the kernel has killed because memory ran out.
///
/// A process that it kills so ends by SIGKILL, like one that somebody killed; that the number has grown while the
/// process lived is what tells them apart. It is that of our own control group, if that counts them, else that of the
/// machine.
///
/// Source: Linux, cgroup-v2.rst, `memory.events`; proc_vmstat(5), `oom_kill`
package struct OutOfMemoryKills: Equatable, Sendable {
    package let count: Int64

    package init(count: Int64) { self.count = count }

    /// - Parameter text: lines of a name, a space and a number, with a line `oom_kill`.
    /// - Returns: nil if there is no such line.
    package init?(_ text: [UInt8]) {
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard words.count == 2, words[0].elementsEqual("oom_kill".utf8) else { continue }
            guard let count = Int64(String(decoding: words[1], as: UTF8.self)), count >= 0 else { return nil }
            self.init(count: count)
            return
        }
        return nil
    }

    /// As many as there are now; nil where the kernel does not say.
    package static var now: OutOfMemoryKills? { OutOfMemoryKills(ProcessReader.contents(source)) }

    /// Whether a process that ended so was one of them.
    ///
    /// - Parameter before: how many there were when it was started.
    package func explains(_ status: ExitStatus, since before: OutOfMemoryKills?) -> Bool {
        guard case .signal(9, _) = status, let before else { return false }
        return count > before.count
    }

    /// The file that has the number. A process stays in its control group, as a rule.
    private static let source: String = {
        let own = group(ProcessReader.contents("/proc/self/cgroup")).map { "/sys/fs/cgroup\($0)/memory.events" }
        if let own, OutOfMemoryKills(ProcessReader.contents(own)) != nil { return own }
        return "/proc/vmstat"
    }()

    /// - Parameter text: of `/proc/PID/cgroup`.
    /// - Returns: the path of the control group, version 2, without a slash at its end; nil if there is none.
    package static func group(_ text: [UInt8]) -> String? {
        for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: "0::/".utf8) {
            let path = String(decoding: line.dropFirst(3), as: UTF8.self)
            return path == "/" ? "" : path
        }
        return nil
    }
}
