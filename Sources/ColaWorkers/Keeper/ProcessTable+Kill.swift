internal import Glibc

extension ProcessTable {
    /// How often new processes are looked for before those that are known are killed. A program that forks faster than
    /// this stops it is met again by whoever looks next.
    private static let roundsMax = 20

    /// Kills `root`, a child of this process that is not collected, and all below it.
    ///
    /// - Parameter meanwhile: is called when those there are have been counted, before any is killed.
    /// - Returns: those that were alive. They may take a moment to be gone.
    static func kill(_ root: Int32, meanwhile: () -> Void = {}) -> Set<Identity> {
        let victims = kill(meanwhile: meanwhile) { table in
            (entry(root).map { [$0] } ?? []) + table.descendants(of: root)
        }
        // Its number is its own, even where the system shows no processes.
        _ = Glibc.kill(root, SIGKILL)
        return victims
    }

    /// Kills all below `process`, but not itself.
    static func kill(below process: Int32) -> Set<Identity> {
        kill { table in table.descendants(of: process) }
    }

    /// They are stopped first, until there is no new one, and killed then: what is stopped starts no others.
    private static func kill(meanwhile: () -> Void = {}, find: (ProcessTable) -> [Entry]) -> Set<Identity> {
        var victims: [Identity: Entry] = [:]
        for round in 0..<roundsMax {
            let new = find(read()).filter { !$0.isZombie && victims[$0.identity] == nil }
            for entry in new { victims[entry.identity] = entry }
            if round == 0 { meanwhile() }
            if new.isEmpty { break }
            for entry in new { entry.signal(SIGSTOP) }
        }
        for entry in victims.values { entry.signal(SIGKILL) }
        return Set(victims.keys)
    }
}
