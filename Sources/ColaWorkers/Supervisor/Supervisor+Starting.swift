internal import ColaCore
internal import OrderedCollections

extension Supervisor {
    /// A new instance for a worker, on its way to a first process.
    mutating func add(to name: WorkerName) {
        guard let definition = workers[name]?.definition else { return }
        lastID += 1
        let id = InstanceID(lastID)
        instances[id] = Instance(id: id, definition: definition, reason: "one more is wanted", at: now)
        workers[name]?.instances.append(id)
        arm(id, "it can have messages")
    }

    /// Sends an instance without a process on its way to the next one, by the worker's present definition. In exec that
    /// is a message's affair, so it can have one at once.
    mutating func arm(_ id: InstanceID, _ reason: String) {
        guard let instance = instances[id], let definition = workers[instance.worker]?.definition else { return }
        precondition(!instance.hasProcess && instance.stopping == nil, "instance \(id) is armed while it has a process")
        instances[id]?.definition = definition
        instances[id]?.needsRestart = false
        instances[id]?.rest = .none
        if definition.mode == .exec {
            feed(id)
        } else {
            queue(id)
        }
        refresh(id, reason)
    }

    mutating func feed(_ id: InstanceID) {
        guard let instance = instances[id], !instance.isFed, !instance.isPaused, instance.stopping == nil,
            instance.definition.queue != nil || instance.definition.mode == .client
        else { return }
        instances[id]?.isFed = true
        actions.append(.feed(id))
    }

    mutating func stopFeeding(_ id: InstanceID) {
        guard instances[id]?.isFed == true else { return }
        instances[id]?.isFed = false
        actions.append(.stopFeeding(id))
    }

    mutating func queue(_ id: InstanceID) {
        guard let instance = instances[id], !instance.isQueued, instance.wantsStart else { return }
        instances[id]?.isQueued = true
        if instance.failures == 0 {
            fresh.append(id, of: instance.worker)
        } else {
            failed.append(id, of: instance.worker)
        }
    }

    /// Starts as many as the budget allows of those whose turn it is.
    mutating func startNext() {
        guard hasKeeper else { return }
        while let id = isFreshNext ? fresh.first : failed.first {
            let isFresh = isFreshNext
            guard let instance = instances[id], instance.wantsStart,
                let worker = workers[instance.worker], worker.alive < worker.range.upperBound
            else {
                // Gone or held up; where there was no room, the next end of a process makes some (`settle`).
                instances[id]?.isQueued = false
                dropNext(isFresh: isFresh)
                continue
            }
            guard budget.take(at: now) else { return }
            dropNext(isFresh: isFresh)
            wasFreshLast = isFresh
            spawn(id)
        }
    }

    /// Whether the next is taken from those that have not failed.
    private var isFreshNext: Bool { failed.isEmpty || !fresh.isEmpty && !wasFreshLast }

    private mutating func dropNext(isFresh: Bool) {
        if isFresh { fresh.removeFirst() } else { failed.removeFirst() }
    }

    private mutating func spawn(_ id: InstanceID) {
        guard let instance = instances[id] else { return }
        instances[id]?.isQueued = false
        instances[id]?.process = .requested(now)
        instances[id]?.isProved = false
        instances[id]?.starts += 1
        if instance.isExec { instances[id]?.busySince = now }
        workers[instance.worker]?.alive += 1
        workers[instance.worker]?.starts += 1
        actions.append(.spawn(id, instance.definition, attempt: instance.failures + 1))
        refresh(id, "it is being started")
    }

    mutating func started(_ id: InstanceID, _ processID: Int32) {
        guard case .requested? = instances[id]?.process else { return }
        instances[id]?.process = .up(since: now, processID: processID)
        // A process that is not fed has nothing to be ready for.
        if instances[id]?.definition.queue == nil {
            becameReady(id)
        } else {
            refresh(id, "started as process \(processID)")
        }
    }

    mutating func becameReady(_ id: InstanceID) {
        guard let instance = instances[id], instance.hasProcess, !instance.isExec, !instance.isReady else { return }
        instances[id]?.isReady = true
        instances[id]?.idleSince = now
        feed(id)
        refresh(id, "it takes messages")
        settle(instance.worker)
    }

    mutating func took(_ id: InstanceID, _ count: Int) {
        guard let instance = instances[id] else { return }
        if instance.isExec {
            precondition(
                instance.inHand == 0 && count == 1, "instance \(id) of \(instance.worker) was given a second message")
            guard instance.isFed, instance.rest == .none else {
                actions.append(.ended(id, .stopped(nil, why: "it takes no messages"), nil))
                return
            }
        }
        instances[id]?.inHand += count
        if instance.inHand == 0 {
            if !instance.isExec { instances[id]?.busySince = now }
            refresh(id, "it has a message")
        }
        if instance.isExec { queue(id) }
    }

    mutating func settled(_ id: InstanceID, _ count: Int) {
        guard let instance = instances[id], !instance.isExec, instance.inHand > 0 else { return }
        let isLast = instance.inHand <= count
        instances[id]?.inHand = max(0, instance.inHand - count)
        instances[id]?.failures = 0
        instances[id]?.busySince = isLast ? nil : now
        instances[id]?.idleSince = now
        prove(id)
        if isLast { lastIsSettled(id) }
        if isLast || instance.definition.timeLimit != nil { refresh(id, "its messages are settled") }
    }

    /// A start that has turned out well is given back, once.
    mutating func prove(_ id: InstanceID) {
        guard let instance = instances[id], instance.hasProcess, !instance.isProved else { return }
        instances[id]?.isProved = true
        budget.giveBack()
    }
}
