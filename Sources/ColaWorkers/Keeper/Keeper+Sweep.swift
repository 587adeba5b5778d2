internal import CSpawn
internal import Glibc
internal import OrderedCollections

extension Keeper {
    /// Kills what instances that have ended left behind. Each is finished, and reported, when nothing of it is left.
    ///
    /// Whatever outlives its parents is a child of this process, so one look at the children is enough to know that
    /// nothing is left. That is the common case; only if there are others, the whole machine is looked through.
    func sweep() {
        guard hasStrays || instances.values.contains(where: \.hasExited) else { return }
        let strays = Self.children().filter { instanceOfProcess[$0] == nil }
        let doomed = strays.isEmpty ? [] : kill(strays)
        hasStrays = !doomed.isEmpty
        let busy = Set(doomed)
        for (instance, found) in instances where found.hasExited && !busy.contains(instance) {
            finish(instance, found)
        }
    }

    private func finish(_ instance: InstanceID, _ found: Instance) {
        _ = EndedChild.find(found.process, keep: false)
        instances[instance] = nil
        instanceOfProcess[found.process] = nil
        sessions = sessions.filter { $0.value != instance }
        tell(.swept(instance, survivorsKilled: found.killed.count))
    }

    /// Kills those of `strays` that belong to no living instance, with all below them.
    ///
    /// - Returns: the instances they belong to.
    private func kill(_ strays: [Int32]) -> [InstanceID?] {
        let table = ProcessTable.read()
        learnSessions(table)
        // What was shed with all marks was most likely shed by one that has just ended.
        let heir = instances.first { $0.value.hasExited }?.key
        var doomed: [(process: Int32, owner: InstanceID?)] = []
        for stray in strays {
            let owner = owner(of: stray) ?? heir
            // Kept in mind, because a dead process does not show its marks any more.
            adopted[stray] = owner
            if let owner, instances[owner]?.hasExited == false { continue }
            doomed.append((stray, owner))
        }
        for (stray, owner) in doomed {
            let victims = ProcessTable.kill(stray) {
                guard let owner, let found = instances[owner] else { return }
                // Its number is kept, so the group is its own or nobody's.
                _ = Glibc.kill(-found.process, SIGKILL)
            }
            if let owner { instances[owner]?.killed.formUnion(victims) }
            collectIfEnded(stray)
        }
        return doomed.map(\.owner)
    }

    private func collectIfEnded(_ stray: Int32) {
        if case .ended = EndedChild.find(stray, keep: true) { collect(orphan: stray) }
    }

    /// The instance that has started an adopted process: by its session, by what was seen before, or by the marks in
    /// its environment. Who has shed all of them belongs to nobody.
    private func owner(of stray: Int32) -> InstanceID? {
        if let session = ProcessTable.entry(stray)?.session {
            if let instance = instanceOfProcess[session] { return instance }
            if let instance = sessions[session] { return instance }
        }
        if let instance = adopted[stray] { return instance }
        guard Self.environment(stray, "COLA_KEEPER") == mark,
            let number = Self.environment(stray, "COLA_WORKER_INSTANCE").flatMap({ UInt64($0) }),
            instances[InstanceID(number)] != nil
        else { return nil }
        return InstanceID(number)
    }

    /// All that `instance` has started and that is alive, without its own process.
    func tree(of instance: InstanceID, _ process: Int32) -> [ProcessTable.Entry] {
        let table = ProcessTable.read()
        learnSessions(table)
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
    private func learnSessions(_ table: ProcessTable) {
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
        for found in instances.values where !found.hasExited { _ = Glibc.kill(-found.process, SIGKILL) }
        let itself = getpid()
        while true {
            var answer = EndedChild.find(keep: false)
            while case .ended = answer { answer = EndedChild.find(keep: false) }
            if case .noChild = answer { return }
            _ = ProcessTable.kill(below: itself)
            // Without /proc at least the children are known.
            for child in Self.children() { _ = Glibc.kill(child, SIGKILL) }
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
