import ColaCore
import ColaTesting
import ColaWorkers

extension SupervisorWorld {
    func apply(_ event: SupervisorEvent) {
        trace("\(event)")
        perform(supervisor.apply(event, at: now))
    }

    /// A replay is in full view.
    func trace(_ text: @autoclosure () -> String) {
        if Seeds.isReplay { print("\(now.rawValue / 1_000_000) \(text())") }
    }

    func perform(_ actions: [SupervisorAction]) {
        let size = supervisor.status.map { $0.instances.count + $0.range.upperBound }.reduce(0, +)
        if actions.count > 20 + 12 * (size + workerOf.count) { violate("\(actions.count) actions for one event") }
        for action in actions {
            trace("    \(action)")
            if isAllGone { violate("an action after the last: \(action)") }
            switch action {
            case .spawn(let id, let definition, let attempt):
                if attempt < 1 { violate("attempt \(attempt) of \(id)") }
                spawn(id, definition)
            case .signal(let id, let number, _): signal(id, number)
            case .feed(let id): if !fed.insert(id).inserted { violate("\(id) is fed twice") }
            case .stopFeeding(let id): if fed.remove(id) == nil { violate("\(id) was not fed") }
            case .endInput(let id): endInput(of: id)
            case .changed(let change): follow(change)
            case .ended(let id, let ending, _): ended(id, ending)
            case .removed(let id):
                if processes[id] != nil { violate("\(id) is removed with its process") }
                if fed.contains(id) { violate("\(id) is removed and fed") }
                workerOf[id] = nil
                stoppingSince[id] = nil
            case .allGone: isAllGone = true
            }
        }
        checkEverything()
    }

    /// What an instance held goes back to its queue.
    private func ended(_ id: InstanceID, _ ending: Ending) {
        if processes[id] != nil { violate("\(id) has not ended") }
        let name: String
        switch ending {
        case .exited: name = "exited"
        case .timedOut: name = "timed out"
        case .stopped(_, let why):
            name = "stopped"
            if !why.hasPrefix("it was not ready") { good() }
        case .startFailed: name = "start failed"
        case .keeperLost: name = "keeper lost"
        }
        ends[name, default: 0] += 1
        let held = inHand[id, default: 0]
        inHand[id] = 0
        guard let worker = workerOf[id] else { return }
        if case .exited(.code(0)) = ending, supervisor.definition(of: id)?.mode == .exec {
            done += held
        } else {
            waiting[worker, default: 0] += held
        }
        switch ending {
        case .timedOut: streaks[id, default: 0] += 1
        case .stopped(_, let why) where why.hasPrefix("it was not ready"): streaks[id, default: 0] += 1
        case .exited, .startFailed: streaks[id] = stoppingSince[id] == nil ? streaks[id, default: 0] + 1 : 0
        case .stopped, .keeperLost: streaks[id] = 0
        }
    }

    /// A start that turned out well counts no more.
    func good() { startLevel = max(0, startLevel - 1) }

    func checkSpawn(_ id: InstanceID, _ definition: WorkerDefinition) {
        let name = definition.name
        if processes[id] != nil { violate("\(id) is started twice") }
        if !hasKeeper { violate("\(id) is started without a keeper") }
        let alive = processes.values.count { $0.worker == name }
        let most = scaled[name]?.upperBound ?? definitions[name]?.processes.upperBound ?? lastMost[name] ?? 0
        if alive >= most { violate("\(name) has \(alive + 1) processes of \(most)") }
        if let until = restUntil[id], until > now { violate("\(id) is started before its pause is over") }
        restUntil[id] = nil
        let elapsed = Double(now.rawValue - startLevelAt.rawValue) / 1_000_000_000
        startLevel = max(0, startLevel - elapsed * Double(rate.perSecond)) + 1
        startLevelAt = now
        if startLevel > Double(rate.burst) + 1.01 { violate("too many starts: \(startLevel)") }
    }

    private func follow(_ change: StateChange) {
        let arrows: [InstanceState: Set<InstanceState>] = [
            .new: [.ready, .blocked, .terminated], .ready: [.running, .blocked, .terminated],
            .running: [.ready, .blocked, .terminated], .blocked: [.ready, .new, .terminated],
            .terminated: [.new, .blocked],
        ]
        reached.insert(change.to)
        workerOf[change.instance] = change.worker
        if arrows[change.from]?.contains(change.to) != true {
            violate("\(change.instance) went from \(change.from) to \(change.to): \(change.reason)")
        }
        if change.reason.isEmpty { violate("\(change.instance) changed without a reason") }
        if change.reason == "it is started anew" { streaks[change.instance] = 0 }
        guard change.to == .terminated, let status = supervisor.status(of: change.instance),
            let next = status.nextStart, status.changedAt == now,
            let definition = supervisor.definition(of: change.instance)
        else { return }
        restUntil[change.instance] = next
        // What was halted has had a part of its pause.
        guard change.from != .blocked else { return }
        let pause = (next.rawValue - now.rawValue) / 1_000_000
        let delay = definition.backoff.delay
        if !(delay.first...delay.most).contains(pause) { violate("\(change.instance) pauses for \(pause) ms") }
        guard definition.mode != .exec, let streak = streaks[change.instance], streak > 0 else { return }
        var least = Double(delay.first)
        for _ in 1..<min(streak, 40) { least *= delay.factor }
        least = min(least, Double(delay.most) / (1 + delay.jitter))
        if Double(pause) < least - 1 { violate("\(change.instance) pauses for \(pause) ms after \(streak) failures") }
    }

    private func checkEverything() {
        for worker in supervisor.status {
            let name = worker.definition.name
            if worker.alive != processes.values.count(where: { $0.worker == name }) {
                violate("\(name) counts \(worker.alive) processes")
            }
            for instance in worker.instances { check(instance) }
        }
        let held = inHand.values.reduce(0, +)
        if published != done + held + waiting.values.reduce(0, +) { violate("a message is lost or doubled") }
    }

    private func check(_ instance: InstanceStatus) {
        let id = instance.id
        workerOf[id] = instance.worker
        reached.insert(instance.state)
        if instance.hasProcess != (processes[id] != nil) { violate("\(id) is wrong about its process") }
        if instance.messagesInHand != inHand[id, default: 0] { violate("\(id) is wrong about its messages") }
        if instance.isFed != fed.contains(id) { violate("\(id) is wrong about its feeding") }
        switch instance.state {
        case .new: if instance.messagesInHand > 0 { violate("\(id) is new, with messages") }
        case .ready: if instance.messagesInHand > 0 { violate("\(id) is ready, with messages") }
        case .running: if instance.messagesInHand == 0 { violate("\(id) runs without a message") }
        case .blocked: break
        case .terminated: if instance.hasProcess { violate("\(id) is terminated, with a process") }
        }
        if instance.isPaused, instance.isFed { violate("\(id) is paused and fed") }
        if instance.stopping != nil, instance.isFed { violate("\(id) is being stopped and fed") }
        if let why = instance.stopping {
            if why.hasPrefix("it had nothing to do"), inHand[id, default: 0] > 0 {
                violate("\(id) is stopped by the autoscaler with a message")
            }
            let since = stoppingSince[id] ?? now
            stoppingSince[id] = since
            if now.rawValue - since.rawValue > 19_000_000_000 { violate("\(id) is not stopped: \(why)") }
        } else {
            stoppingSince[id] = nil
        }
        if processes[id]?.isHalted == true, !instance.isPaused, instance.stopping == nil {
            violate("\(id) is halted and nobody knows")
        }
        if instance.isPaused, let process = processes[id], !process.isHalted { violate("\(id) is paused and goes on") }
    }

    /// In a quiet world: as many as there should be, all of them ready, the backlog gone.
    func checkDesired() {
        let status = supervisor.status
        if status.map(\.definition.name).sorted() != definitions.keys.sorted() {
            violate("there are the workers \(status.map(\.definition.name))")
        }
        for worker in status {
            let name = worker.definition.name
            let range = scaled[name] ?? definitions[name]?.processes ?? 0...0
            if worker.range != range { violate("\(name) has the range \(worker.range), not \(range)") }
            if worker.instances.count != range.lowerBound {
                violate("\(name) has \(worker.instances.count) instances of \(range)")
            }
            if range.upperBound > 0, worker.definition.queue != nil, waiting[name, default: 0] > 0 {
                violate("\(waiting[name, default: 0]) messages wait for \(name)")
            }
            for instance in worker.instances where instance.state != .ready {
                violate("instance \(instance.id) of \(name) is \(instance.state): \(instance.reason)")
            }
            for instance in worker.instances where worker.definition.mode != .exec && !instance.hasProcess {
                violate("instance \(instance.id) of \(name) has no process")
            }
            for instance in worker.instances where instance.needsRestart { violate("\(instance.id) was not replaced") }
        }
    }
}
