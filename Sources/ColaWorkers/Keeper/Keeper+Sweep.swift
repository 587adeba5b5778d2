internal import CSpawn
internal import Glibc
internal import OrderedCollections

extension Keeper {
    /// Kills what instances that have ended left behind. Each is finished, and reported, when nothing of it is left.
    ///
    /// Whatever outlives its parent becomes a child of this process. So one look at the children is enough to know that
    /// nothing is left, and whoever is killed hands its own children over to be killed next. Only children that are not
    /// collected are killed: their numbers are nobody else's.
    func sweep() {
        guard hasStrays || instances.values.contains(where: \.hasExited) else { return }
        var look = killStrays()
        // Whoever was collected may have handed over others. The broker must not wait for a program that never ends
        // doing so; it is met again at the next turn.
        for _ in 0..<Self.looksPerTurn where look.hasCollected { look = killStrays() }
        hasStrays = look.hasAlive || look.hasCollected
        if look.hasCollected { return }
        for (instance, found) in instances where found.hasExited && !look.owners.contains(instance) {
            finish(instance, found)
        }
    }

    /// What one look at the children has found of those that shall not live.
    private struct Look {
        var hasCollected = false
        var hasAlive = false
        /// Whose they are, of those that are alive.
        var owners: Set<SpawnID> = []
    }

    private func killStrays() -> Look {
        var look = Look()
        // What has shed all its marks was most likely started by one that has just ended.
        let heir = instances.first { $0.value.hasExited }?.key
        let exitedCount = instances.values.count(where: \.hasExited)
        // Then there is nothing to be asked, which counts if they are many.
        let isHeirAlone = exitedCount == 1 && instances.count == 1
        var victims: [Int32] = []
        for stray in strays() {
            let owner = isHeirAlone ? heir : owner(of: stray) ?? heir
            // Kept in mind, because a dead process does not show its marks any more.
            adopted[stray] = owner
            if let owner, instances[owner]?.hasExited == false { continue }
            if case .ended = EndedChild.find(stray, keep: true) {
                collect(orphan: stray)
                look.hasCollected = true
                continue
            }
            look.hasAlive = true
            if let owner { look.owners.insert(owner) }
            guard killed.insert(stray).inserted else { continue }
            _ = Glibc.kill(stray, SIGKILL)
            victims.append(stray)
            if let owner { instances[owner]?.survivorsKilled += 1 }
        }
        ProcessTable.killGroups(of: victims)
        return look
    }

    /// The children that are no instance's own process: orphans.
    func strays() -> [Int32] {
        Self.children().filter { instanceOfProcess[$0] == nil }
    }

    private func finish(_ instance: SpawnID, _ found: Instance) {
        _ = EndedChild.find(found.process, keep: false)
        instances[instance] = nil
        instanceOfProcess[found.process] = nil
        sessions = sessions.filter { $0.value != instance }
        tell(.swept(instance, survivorsKilled: found.survivorsKilled))
    }

    /// The instance that has started an adopted process: by its session, by what was seen before, or by the marks in
    /// its environment. Who has shed all of them belongs to nobody.
    private func owner(of stray: Int32) -> SpawnID? {
        if let session = ProcessTable.entry(stray)?.session {
            if let instance = instanceOfProcess[session] { return instance }
            if let instance = sessions[session] { return instance }
        }
        if let instance = adopted[stray] { return instance }
        guard Self.environment(stray, "COLA_KEEPER") == mark,
            let number = Self.environment(stray, "COLA_WORKER_PROCESS").flatMap({ UInt64($0) }),
            instances[SpawnID(number)] != nil
        else { return nil }
        return SpawnID(number)
    }

    /// All that `instance` has started and that is alive, without its own process.
    func tree(of instance: SpawnID, _ process: Int32) -> [ProcessTable.Entry] {
        let table = ProcessTable.read()
        learnSessions(in: table)
        var found = table.descendants(of: process)
        for stray in table.children(of: getpid()) where instanceOfProcess[stray.process] == nil {
            guard owner(of: stray.process) == instance else { continue }
            adopted[stray.process] = instance
            found.append(stray)
            found += table.descendants(of: stray.process)
        }
        return found.filter { !$0.isZombie }
    }

    /// Remembers whose sessions those below the living instances are: of an orphan, only the session may be left.
    func learnSessions(in table: ProcessTable) {
        let there = table.sessions
        sessions = sessions.filter { there.contains($0.key) }
        let roots = instances.map { ($0.value.process, $0.key) } + adopted.map { ($0.key, $0.value) }
        for (root, instance) in roots {
            for entry in table.descendants(of: root) where instanceOfProcess[entry.session] == nil {
                sessions[entry.session] = instance
            }
        }
    }

    /// Kills all below this process and collects it, until it has no child.
    func killEverything() {
        while true {
            let children = Self.children()
            for child in children { _ = Glibc.kill(child, SIGKILL) }
            ProcessTable.killGroups(of: children)
            for _ in 0..<Self.endsPerTurn {
                let answer = EndedChild.find(keep: false)
                if case .noChild = answer { return }
                if case .noneYet = answer { break }
            }
            var polled = pollfd(fd: childSignals, events: Int16(POLLIN), revents: 0)
            _ = poll(&polled, 1, 5)
            cola_process_forget_signals(childSignals)
        }
    }

    private static func environment(_ process: Int32, _ name: String) -> String? {
        var value = [CChar](repeating: 0, count: 64)
        let count = cola_process_environment(process, name, &value, value.count)
        guard count >= 0 else { return nil }
        return String(decoding: value.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
