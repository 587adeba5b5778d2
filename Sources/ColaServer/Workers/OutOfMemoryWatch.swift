internal import ColaCore
internal import ColaWorkers

/// Tells whether a process that ended by SIGKILL was killed by the kernel, because memory ran out.
///
/// The kernel's count is read from a file, so not at each start of a process: a kill that it has counted since the last
/// look, a second before the process was started at the earliest, is taken for that of the next process that ends so.
struct OutOfMemoryWatch {
    private var known: OutOfMemoryKills?
    private var lookedAt: Instant?

    private static let freshNanoseconds: Int64 = 1_000_000_000

    mutating func processStarted(at now: Instant) {
        if let lookedAt, now.rawValue - lookedAt.rawValue < Self.freshNanoseconds { return }
        known = .now
        lookedAt = now
    }

    /// - Returns: whether there is a kill that no other process has been taken for.
    mutating func explains(_ status: ExitStatus) -> Bool {
        guard case .signal(9, _) = status, let before = known, let now = OutOfMemoryKills.now,
            now.explains(status, since: before)
        else { return false }
        known = OutOfMemoryKills(count: before.count + 1)
        return true
    }
}
