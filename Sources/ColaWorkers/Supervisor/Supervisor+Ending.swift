internal import ColaCore
internal import OrderedCollections

extension Supervisor {
    /// Why a process is no more.
    enum Loss {
        case exited(ExitStatus, ResourceUsage)
        case startFailed(String)
        case keeperLost
    }

    mutating func keeperLost() {
        hasKeeper = false
        // All are gone before any pool is looked at: it must not stop what is no more.
        for worker in workers.values {
            for id in worker.instances { lose(id, .keeperLost) }
        }
        for name in workers.keys { settle(name) }
    }

    mutating func processEnded(_ id: InstanceID, _ loss: Loss) {
        guard let worker = instances[id]?.worker else { return }
        lose(id, loss)
        settle(worker)
    }

    /// The process of an instance is gone: what it held ends with it, and then its order, or else the rule for
    /// restarts, says how it goes on.
    private mutating func lose(_ id: InstanceID, _ loss: Loss) {
        guard let instance = instances[id], instance.hasProcess else { return }
        let ending = ending(of: instance, loss)
        if case .exited(_, let usage) = loss {
            actions.append(.ended(id, ending, usage))
        } else {
            actions.append(.ended(id, ending, nil))
        }
        let hasFailed = judge(instance, ending)
        workers[instance.worker]?.alive -= 1
        instances[id]?.process = .none
        instances[id]?.isReady = false
        instances[id]?.inHand = 0
        instances[id]?.busySince = nil
        instances[id]?.idleSince = now
        instances[id]?.stopping = nil
        if !instance.isExec { instances[id]?.heldBack = nil }
        if !instance.isExec || instance.needsRestart { stopFeeding(id) }
        goOn(id, after: ending, hasFailed: hasFailed, instance.stopping?.then ?? .policy)
    }

    private func ending(of instance: Instance, _ loss: Loss) -> Ending {
        switch loss {
        case .keeperLost: return .keeperLost
        case .startFailed(let sentence): return .startFailed(sentence)
        case .exited(let status, _): return ending(of: instance, status)
        }
    }

    func ending(of instance: Instance, _ status: ExitStatus) -> Ending {
        guard let stopping = instance.stopping else { return .exited(status) }
        switch stopping.cause {
        case .timeLimit: return .timedOut(status, limit: instance.definition.timeLimit ?? 0)
        case .force: return .exited(status)
        case .order, .startLimit, .defect: return .stopped(status, why: stopping.why)
        }
    }

    /// Counts what went wrong, and forgets it where it went well.
    ///
    /// - Returns: whether it went wrong.
    private mutating func judge(_ instance: Instance, _ ending: Ending) -> Bool {
        let id = instance.id
        if case .up(let since, _) = instance.process, !instance.isExec,
            since.advanced(byMilliseconds: instance.definition.backoff.resetAfter) <= now
        {
            instances[id]?.failures = 0
            prove(id)
        }
        switch ending {
        case .keeperLost: return false
        case .stopped:
            guard let cause = instance.stopping?.cause, cause == .startLimit || cause == .defect else {
                prove(id)
                return false
            }
            instances[id]?.failures += 1
        case .startFailed: instances[id]?.failures += 1
        case .timedOut: countCrash(instance)
        case .exited(let status):
            if instance.isExec, !instance.definition.exitCodes.isCrash(status) {
                instances[id]?.failures = 0
                instances[id]?.crashes = 0
                prove(id)
                return false
            }
            countCrash(instance)
        }
        workers[instance.worker]?.failures += 1
        if case .timedOut = ending { workers[instance.worker]?.timeouts += 1 }
        return true
    }

    /// In exec a crash is the message's affair, until there are several in a row.
    private mutating func countCrash(_ instance: Instance) {
        if instance.isExec {
            instances[instance.id]?.crashes += 1
            guard instance.crashes + 1 >= instance.definition.backoff.crashes else { return }
        }
        instances[instance.id]?.failures += 1
    }

    private mutating func goOn(
        _ id: InstanceID, after ending: Ending, hasFailed: Bool, _ then: Instance.Stopping.Then
    ) {
        guard let instance = instances[id] else { return }
        switch then {
        case .leave: remove(id, ending.description)
        case .hold:
            instances[id]?.rest = .held
            stopFeeding(id)
            refresh(id, ending.description)
        case .restart:
            instances[id]?.failures = 0
            instances[id]?.crashes = 0
            change(id, [.terminated], ending.description)
            arm(id, "it is started anew")
        case .policy:
            guard !isOver(instance, ending) else {
                instances[id]?.rest = .over
                let policy = instance.definition.restart.rawValue
                refresh(id, "\(ending.description); restart is \(policy), so it is not started again")
                return
            }
            if hasFailed, instance.failures > 0 {
                rest(id, ending.description)
            } else if instance.isExec, !instance.needsRestart {
                feed(id)
                refresh(id, "its message has ended: \(ending.description)")
            } else {
                change(id, [.terminated], ending.description)
                arm(id, "it is started again")
            }
        }
    }

    private func isOver(_ instance: Instance, _ ending: Ending) -> Bool {
        guard !instance.isExec else { return false }
        switch instance.definition.restart {
        case .always: return false
        case .onFailure: return ending == .exited(.code(0))
        case .never: return true
        }
    }

    /// A pause before the next attempt, the longer the more have failed.
    private mutating func rest(_ id: InstanceID, _ reason: String) {
        guard let instance = instances[id] else { return }
        stopFeeding(id)
        let random = Self.mix(seed ^ Self.mix(id.rawValue), UInt64(instance.failures))
        let pause = instance.definition.backoff.delay.milliseconds(after: instance.failures, random: random)
        instances[id]?.rest = .until(now.advanced(byMilliseconds: pause))
        refresh(id, "\(reason); it is started again in \(pause < 1_000 ? "\(pause) ms" : "\(pause / 1_000) s")")
    }

    /// The instance is no more.
    mutating func remove(_ id: InstanceID, _ reason: String) {
        guard let instance = instances[id] else { return }
        stopFeeding(id)
        change(id, [.terminated], reason)
        timers.cancel(.instance(id))
        instances[id] = nil
        workers[instance.worker]?.instances.removeAll { $0 == id }
        actions.append(.removed(id))
    }

    /// The end of SplitMix64: a number that looks random, and is always the same.
    private static func mix(_ number: UInt64, _ other: UInt64 = 0) -> UInt64 {
        var mixed = number &+ other &* 0x9e37_79b9_7f4a_7c15 &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
