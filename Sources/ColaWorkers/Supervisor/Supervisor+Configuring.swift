internal import ColaCore
internal import OrderedCollections

extension Supervisor {
    /// What is new is added, what is gone is stopped, and what has changed is taken on: at once where a process does
    /// not have to be another for it, else when its turn to be replaced has come.
    mutating func configure(_ definitions: [WorkerDefinition]) {
        guard shutdown == nil else { return }
        let names = Set(definitions.map(\.name))
        for definition in definitions {
            if workers[definition.name] == nil {
                workers[definition.name] = Worker(definition)
            } else {
                change(definition)
            }
        }
        // `settle` takes out those of which nothing is left.
        for name in Array(workers.keys) {
            if !names.contains(name) { workers[name]?.isRemoved = true }
            settle(name)
        }
    }

    private mutating func change(_ definition: WorkerDefinition) {
        guard let worker = workers[definition.name] else { return }
        workers[definition.name]?.definition = definition
        if worker.isRemoved {
            workers[definition.name]?.isRemoved = false
            workers[definition.name]?.isStopped = false
            workers[definition.name]?.isPaused = false
        }
        // Without a queue nothing could say which number of a range is the right one.
        let hasNoMeasure = definition.queue == nil && worker.range.count > 1
        if worker.isRemoved || hasNoMeasure || worker.definition.processes != definition.processes {
            workers[definition.name]?.scaled = nil
        }
        workers[definition.name]?.clampTarget()
        for id in worker.instances { change(id, to: definition) }
    }

    private mutating func change(_ id: InstanceID, to definition: WorkerDefinition) {
        guard let instance = instances[id], !instance.isLeaving else { return }
        let needsRestart = definition.needsRestart(since: instance.definition)
        if instance.hasProcess || instance.inHand > 0 {
            instances[id]?.needsRestart = needsRestart
            if !needsRestart { instances[id]?.definition = definition }
        } else if !needsRestart || instance.rest == .over || instance.rest == .held {
            instances[id]?.definition = definition
        } else {
            // What failed by the old definition may go well by the new one.
            stopFeeding(id)
            instances[id]?.failures = 0
            instances[id]?.crashes = 0
            if instance.state != .terminated { change(id, [.terminated], "its definition has changed") }
            arm(id, "it goes on by its new definition")
        }
        refresh(id, "its definition has changed")
    }
}
