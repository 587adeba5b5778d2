package import ColaCore
internal import OrderedCollections

extension Supervisor {
    /// What an operator asks for. What is so already stays so, without an error.
    ///
    /// - Throws: ``SupervisorError``; nothing has changed then.
    package mutating func apply(
        _ command: OperatorCommand, to target: OperatorCommand.Target, at now: Instant
    ) throws(SupervisorError) -> [SupervisorAction] {
        guard shutdown == nil else { throw .shuttingDown }
        switch target {
        case .worker(let name):
            guard let worker = workers[name], !worker.isRemoved else {
                let names = workers.values.filter { !$0.isRemoved }.map(\.definition.name.description)
                throw .noWorker(name, near: Spelling.nearest(to: name.description, among: names))
            }
            if case .scale(let range) = command {
                guard range.lowerBound >= 0, range.upperBound <= WorkerDefinition.processesMost else {
                    throw .tooMany(name, range.lowerBound < 0 ? range.lowerBound : range.upperBound)
                }
                guard range.count == 1 || worker.definition.queue != nil else { throw .noQueue(name) }
            }
            begin(at: now)
            apply(command, to: name)
        case .instance(let id):
            guard let instance = instances[id] else { throw .noInstance(id) }
            if case .scale = command { throw .scalesWorkersOnly(id, of: instance.worker) }
            begin(at: now)
            apply(command, to: id)
            settle(instance.worker)
        }
        return end()
    }

    private mutating func apply(_ command: OperatorCommand, to name: WorkerName) {
        let ids = workers[name]?.instances ?? []
        switch command {
        case .start, .restart: workers[name]?.isStopped = false
        case .stop: workers[name]?.isStopped = true
        case .scale(let range):
            workers[name]?.scaled = range
            workers[name]?.clampTarget()
        case .pause: workers[name]?.isPaused = true
        case .resume: workers[name]?.isPaused = false
        case .kill: break
        }
        switch command {
        case .start, .pause, .resume, .kill: for id in ids { apply(command, to: id) }
        case .restart:
            for id in ids {
                // One after the other: `settle` begins with the first.
                if instances[id]?.hasProcess == true, instances[id]?.isExec == false {
                    instances[id]?.needsRestart = true
                } else {
                    apply(.start, to: id)
                }
            }
        case .stop, .scale: break
        }
        settle(name)
    }

    private mutating func apply(_ command: OperatorCommand, to id: InstanceID) {
        guard let instance = instances[id], !instance.isLeaving || command == .kill else { return }
        switch command {
        case .start:
            if instance.stopping?.then == .hold { instances[id]?.stopping?.then = .restart }
            guard !instance.hasProcess, instance.rest != .none else { return }
            instances[id]?.failures = 0
            instances[id]?.crashes = 0
            arm(id, "started by operator")
        case .stop: stop(id, then: .hold, why: "stopped by operator")
        case .restart:
            if instance.hasProcess, !instance.isExec {
                stop(id, then: .restart, why: "restarted by operator")
            } else {
                apply(.start, to: id)
            }
        case .pause: pause(id)
        case .resume: resume(id)
        case .kill: killByOrder(id)
        case .scale: break
        }
    }
}
