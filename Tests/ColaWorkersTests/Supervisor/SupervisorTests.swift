import ColaCore
import ColaWorkers
import Testing

/// One rule of the supervisor each.
@Suite struct SupervisorTests {
    let one = InstanceID(1)
    let two = InstanceID(2)

    // MARK: Life

    @Test func aProcessGoesThroughTheFiveStates() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream))
        #expect(scene.spawned == [one])
        #expect(scene.states == [.new])
        scene.bringUp()
        #expect(scene.actions.first == .feed(one))
        #expect(scene.states == [.ready])
        scene.apply(.took(one))
        #expect(scene.states == [.running])
        try scene.command(.pause, one)
        #expect(scene.actions.prefix(2) == [.stopFeeding(one), .signal(one, .stop, .tree)])
        #expect(scene.states == [.blocked])
        #expect(scene.instances[0].reason == "paused by operator")
        try scene.command(.resume, one)
        #expect(scene.signals == [.proceed])
        #expect(scene.steps == [.ready, .running])
        scene.exit(one, 3)
        #expect(scene.endings == [.exited(.code(3))])
        #expect(scene.states == [.terminated])
        #expect(scene.instances[0].reason == "exit code 3; it is started again in 100 ms")
        #expect(scene.instances[0].nextStart == scene.now.advanced(byMilliseconds: 100))
        let arrows = try #require(scene.supervisor.status(of: scene.worker)).arrows
        #expect(arrows[.new, .ready] == 1 && arrows[.ready, .running] == 2 && arrows[.running, .terminated] == 1)
    }

    @Test func aSeatOfExecHasAProcessForEachMessage() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.exec, 2...2))
        #expect(scene.states == [.ready, .ready])
        #expect(scene.spawned.isEmpty)
        scene.apply(.took(one))
        #expect(scene.spawned == [one])
        scene.apply(.started(one, processID: 7))
        #expect(scene.instances[0].processID == 7)
        scene.exit(one, 0)
        #expect(scene.endings == [.exited(.code(0))])
        #expect(scene.states == [.ready, .ready])
        scene.apply(.took(one))
        #expect(scene.spawned == [one])
    }

    @Test func aProcessWithoutAQueueIsReadyOnceItIsThere() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client) { $0.queue = nil })
        scene.apply(.started(one, processID: 7))
        #expect(scene.states == [.ready])
        #expect(scene.actions.contains(.feed(one)))
    }

    @Test func whatIsHeldBackByTheBrokerIsBlocked() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream))
        scene.bringUp()
        scene.apply(.heldBack(one, "the disk is full"))
        #expect(scene.states == [.blocked] && scene.instances[0].reason == "the disk is full")
        scene.apply(.letGo(one))
        #expect(scene.states == [.ready])
    }

    // MARK: Restarts

    @Test func pausesDoubleUpToTheLongestAndBeginAnewAfterSuccess() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client))
        var pauses: [Int64] = []
        for _ in 0..<12 {
            scene.exit(one, 1)
            let next = try #require(scene.instances[0].nextStart)
            pauses.append((next.rawValue - scene.now.rawValue) / 1_000_000)
            scene.pass(milliseconds: pauses.last ?? 0)
            #expect(scene.spawned == [one])
        }
        #expect(pauses == [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000])
        scene.bringUp()
        scene.pass(milliseconds: 10_000)
        scene.exit(one, 1)
        #expect(scene.instances[0].reason.hasSuffix("again in 100 ms"))
        scene.pass(milliseconds: 100)
        scene.bringUp()
        scene.apply(.took(one))
        scene.apply(.settled(one))
        #expect(scene.instances[0].failuresInRow == 0)
    }

    @Test func whatIsOverSaysSo() throws {
        var onFailure = SupervisorScene(try SupervisorScene.definition(.client) { $0.restart = .onFailure })
        onFailure.exit(one, 0)
        #expect(onFailure.states == [.terminated])
        #expect(
            onFailure.instances[0].reason == "exit code 0; restart is on-failure, so it is not started again")
        #expect(onFailure.instances[0].nextStart == nil && onFailure.supervisor.nextDeadline == nil)
        try onFailure.command(.start)
        #expect(onFailure.spawned == [one])
        onFailure.exit(one, 1)
        #expect(onFailure.instances[0].nextStart != nil)
        var never = SupervisorScene(try SupervisorScene.definition(.client) { $0.restart = .never })
        never.exit(one, 1)
        #expect(never.instances[0].reason.contains("restart is never"))
    }

    @Test func aProgramThatCannotBeStartedIsTriedAgain() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.exec))
        scene.apply(.took(one))
        scene.apply(.startFailed(one, "no such file: run"))
        #expect(scene.endings == [.startFailed("no such file: run")])
        #expect(scene.actions.contains(.stopFeeding(one)))
        #expect(
            scene.instances[0].reason
                == "could not be started: no such file: run; it is started again in 100 ms")
        scene.pass(milliseconds: 100)
        #expect(scene.states == [.ready] && scene.actions.contains(.feed(one)))
    }

    @Test func crashesOfMessagesPauseASeatAfterSeveralInARow() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.exec) { $0.backoff.crashes = 3 })
        for expected in [InstanceState.ready, .ready, .terminated] {
            scene.apply(.took(one))
            scene.exit(one, 1)
            #expect(scene.states == [expected])
        }
        scene.pass(milliseconds: 100)
        for code: Int32 in [75, 0] {
            scene.apply(.took(one))
            scene.exit(one, code)
            #expect(scene.states == [.ready])
        }
        #expect(scene.instances[0].failuresInRow == 0)
    }

    @Test func whatIsNeverReadyIsStopped() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream) { $0.startLimit = 1_000 })
        scene.apply(.started(one, processID: 7))
        scene.pass(milliseconds: 1_000)
        #expect(scene.signals == [.terminate])
        scene.exit(one, 0)
        #expect(scene.instances[0].reason.hasPrefix("it was not ready within 1s; exit code 0; it is started again"))
    }

    @Test func startsAreLimitedOverAllWorkers() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client, 70...70))
        #expect(scene.spawned.count == 50)
        scene.pass(milliseconds: 500)
        #expect(scene.spawned.count == 10)
        scene.pass(milliseconds: 500)
        #expect(scene.spawned.count == 10)
    }

    @Test func goodMessagesOfExecAreNotLimited() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.exec))
        for _ in 0..<500 {
            scene.apply(.took(one))
            #expect(scene.spawned == [one])
            scene.exit(one, 0)
        }
    }

    @Test func aStormOfCrashesHoldsUpNobodyElse() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client, 200...200))
        for _ in 0..<200 {
            for id in scene.spawned { scene.exit(id, 1) }
            scene.pass(milliseconds: 50)
        }
        let starts = try #require(scene.supervisor.status(of: scene.worker)).starts
        #expect(starts <= 50 + 10 * 20 + 1)
        var other = WorkerDefinition(
            name: try #require(WorkerName("other")), queue: "q", command: ["run"], mode: .client)
        other.backoff.delay.jitter = 0
        scene.apply(.configure([try SupervisorScene.definition(.client, 200...200), other]))
        let id = try #require(scene.supervisor.status(of: other.name)?.instances.first?.id)
        let before = scene.spawned
        scene.pass(milliseconds: 200)
        #expect((before + scene.spawned).contains(id))
    }

    // MARK: Stopping

    @Test func aStopWaitsForTheMessageThenAsksThenKills() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream))
        scene.bringUp()
        scene.apply(.took(one))
        try scene.command(.stop)
        #expect(scene.actions.first == .stopFeeding(one))
        #expect(scene.signals.isEmpty && scene.instances[0].stopping == "the worker was stopped by operator")
        scene.pass(milliseconds: 10_000)
        #expect(scene.actions == [.signal(one, .terminate, .group)])
        scene.pass(milliseconds: 10_000)
        #expect(scene.actions == [.signal(one, .kill, .tree)])
        scene.pass(milliseconds: 5_000)
        #expect(scene.actions == [.signal(one, .kill, .tree)])
        scene.apply(
            .exited(
                one, .signal(9, isCoreDumped: false),
                ResourceUsage(userMicroseconds: 0, systemMicroseconds: 0, residentBytesMost: 0)))
        let why = "the worker was stopped by operator"
        #expect(scene.endings == [.stopped(.signal(9, isCoreDumped: false), why: why)])
        #expect(scene.actions.last == .removed(one))
        #expect(scene.instances.isEmpty && scene.supervisor.nextDeadline == nil)
        try scene.command(.start)
        #expect(scene.spawned == [two])
    }

    @Test func aStopFollowsTheLastSettlement() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client) { $0.stop.grace = 60_000 })
        scene.bringUp()
        scene.apply(.took(one))
        scene.apply(.took(one))
        try scene.command(.stop, one)
        scene.apply(.settled(one))
        #expect(scene.signals.isEmpty)
        scene.apply(.settled(one))
        #expect(scene.signals == [.terminate])
        scene.exit(one, 0)
        #expect(scene.states == [.terminated] && scene.instances[0].nextStart == nil)
        try scene.command(.start, one)
        #expect(scene.spawned == [one])
    }

    @Test func aHaltedProcessGoesOnToBeStopped() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client))
        scene.bringUp()
        try scene.command(.pause)
        try scene.command(.stop)
        #expect(scene.signals == [.proceed, .terminate])
    }

    @Test func aMessageThatTakesTooLongEndsItsProcess() throws {
        var scene = SupervisorScene(
            try SupervisorScene.definition(.exec) {
                $0.timeLimit = 1_000
                $0.stop.grace = 500
            })
        scene.apply(.took(one))
        scene.apply(.started(one, processID: 7))
        scene.pass(milliseconds: 600)
        try scene.command(.pause, one)
        scene.pass(milliseconds: 60_000)
        #expect(scene.signals.isEmpty)
        try scene.command(.resume, one)
        scene.pass(milliseconds: 399)
        #expect(scene.signals.isEmpty)
        scene.pass(milliseconds: 1)
        #expect(scene.signals == [.terminate])
        scene.pass(milliseconds: 500)
        #expect(scene.signals == [.kill])
        scene.exit(one, 0)
        #expect(scene.endings == [.timedOut(.code(0), limit: 1_000)])
        #expect(scene.supervisor.status(of: scene.worker)?.timeouts == 1)
    }

    @Test func killIsAtOnceAndTheRuleForRestartsHolds() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream))
        scene.bringUp()
        try scene.command(.kill)
        #expect(scene.actions.contains(.signal(one, .kill, .tree)))
        scene.exit(one, 137)
        #expect(scene.instances[0].nextStart != nil)
    }

    @Test func aShutdownEndsInTheTimeThatItHas() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client, 2...2))
        scene.bringUp()
        scene.apply(.took(one))
        scene.apply(.shutdown(withinMilliseconds: 3_000))
        #expect(scene.signals == [.terminate])
        scene.exit(two, 0)
        scene.pass(milliseconds: 1_500)
        #expect(scene.signals == [.terminate])
        scene.pass(milliseconds: 1_500)
        #expect(scene.signals == [.kill])
        scene.exit(one, 0)
        #expect(scene.actions.last == .allGone)
        #expect(throws: SupervisorError.shuttingDown) { try scene.command(.start) }
        scene.apply(.tick)
        #expect(scene.actions.isEmpty)
    }

    // MARK: The keeper

    @Test func withTheKeeperAllProcessesAreGoneAndComeBackWithTheNext() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream, 2...2))
        scene.bringUp()
        scene.apply(.took(one))
        scene.apply(.keeperLost)
        #expect(scene.endings == [.keeperLost, .keeperLost])
        #expect(scene.states == [.new, .new] && scene.spawned.isEmpty)
        scene.pass(milliseconds: 60_000)
        #expect(scene.spawned.isEmpty)
        scene.apply(.keeperReady)
        #expect(scene.spawned == [one, two])
        scene.exit(InstanceID(99), 1)
        #expect(scene.actions.isEmpty)
    }

    // MARK: Reload

    @Test func aChangedCommandReplacesOneProcessAfterTheOther() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client, 2...2))
        scene.bringUp()
        let new = try SupervisorScene.definition(.client, 2...2) { $0.command = ["new"] }
        scene.apply(.configure([new]))
        #expect(scene.actions.filter { $0 == .signal(one, .terminate, .group) }.count == 1)
        #expect(scene.signals.count == 1)
        scene.exit(one, 0)
        #expect(scene.actions.contains(.spawn(one, new, attempt: 1)))
        #expect(scene.signals.isEmpty)
        scene.apply(.started(one, processID: 7))
        scene.apply(.isReady(one))
        #expect(scene.actions.contains(.signal(two, .terminate, .group)))
        scene.exit(two, 0)
        #expect(scene.actions.contains(.spawn(two, new, attempt: 1)))
    }

    @Test func aDefinitionThatDoesNotWorkTakesOneInstanceWithIt() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream, 3...3))
        scene.bringUp()
        scene.apply(.configure([try SupervisorScene.definition(.stream, 3...3) { $0.command = ["bad"] }]))
        scene.exit(one, 0)
        for _ in 0..<5 {
            scene.exit(one, 1)
            scene.pass(milliseconds: 60_000)
        }
        #expect(scene.states.filter { $0 == .ready }.count == 2)
    }

    @Test func whatIsBeingStoppedComesBackByTheNewDefinition() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.exec) { $0.timeLimit = 1_000 })
        scene.apply(.took(one))
        scene.pass(milliseconds: 1_000)
        #expect(scene.signals == [.terminate])
        scene.apply(.configure([try SupervisorScene.definition(.stream)]))
        scene.exit(one, 0)
        #expect(scene.states == [.new])
        #expect(scene.supervisor.definition(of: one)?.mode == .stream)
    }

    @Test func whatCanChangeWhileItRunsDoes() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream))
        scene.bringUp()
        scene.apply(.configure([try SupervisorScene.definition(.stream) { $0.stop.grace = 1 }]))
        #expect(scene.actions.isEmpty)
        #expect(scene.supervisor.definition(of: one)?.stop.grace == 1)
    }

    @Test func aWorkerThatIsGoneAndBackIsNeverDoubled() throws {
        let definition = try SupervisorScene.definition(.client)
        var scene = SupervisorScene(definition)
        scene.bringUp()
        scene.apply(.configure([]))
        #expect(scene.signals == [.terminate])
        #expect(throws: SupervisorError.noWorker(definition.name, near: nil).self) { try scene.command(.start) }
        scene.apply(.configure([definition]))
        #expect(scene.spawned.isEmpty)
        scene.exit(one, 0)
        #expect(scene.spawned == [two])
    }

    // MARK: Number

    @Test func scalingIsInOrderAndWithinTheLimit() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client, 3...3))
        scene.bringUp()
        scene.apply(.took(one))
        try scene.command(.scale(1...1))
        #expect(scene.signals == [.terminate, .terminate])
        #expect(scene.instances.filter { $0.stopping == nil }.map(\.id) == [one])
        try scene.command(.scale(3...3))
        #expect(scene.spawned.isEmpty)
        scene.exit(two, 0)
        #expect(scene.spawned.count == 1)
        #expect(throws: SupervisorError.tooMany(scene.worker, 1_001).self) { try scene.command(.scale(0...1_001)) }
        #expect(throws: SupervisorError.scalesWorkersOnly(one, of: scene.worker).self) {
            try scene.command(.scale(1...1), one)
        }
        #expect(throws: SupervisorError.noInstance(two).self) { try scene.command(.kill, InstanceID(2)) }
    }

    @Test func theFirstMessageBringsTheFirstProcess() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream, 0...4))
        #expect(scene.spawned.isEmpty)
        scene.apply(.backlog(scene.worker, ready: 1, oldestMilliseconds: 0, ratePerSecond: 0))
        #expect(scene.spawned == [one])
    }

    @Test func aBacklogBringsMoreAndIdlenessFewer() throws {
        var scene = SupervisorScene(try SupervisorScene.definition(.client, 1...8))
        scene.bringUp()
        func report(_ ready: Int, age: Int64 = 0, rate: Double = 1) {
            scene.apply(.backlog(scene.worker, ready: ready, oldestMilliseconds: age, ratePerSecond: rate))
        }
        report(1_000)
        #expect(scene.spawned.isEmpty, "one that has nothing to do is there")
        scene.apply(.took(one))
        report(20)
        #expect(scene.spawned.isEmpty, "what waits is done in time")
        report(1_000)
        #expect(scene.spawned == [two])
        report(1_000)
        #expect(scene.spawned.isEmpty, "one is being started")
        scene.apply(.started(two, processID: 8))
        scene.apply(.isReady(two))
        scene.apply(.took(two))
        report(1_000)
        #expect(scene.spawned.isEmpty, "the last rise is too recent")
        scene.pass(milliseconds: 1_000)
        report(20, age: 20_000)
        #expect(scene.spawned == [InstanceID(3)])
        scene.bringUp()
        scene.apply(.settled(two))
        report(0)
        scene.pass(milliseconds: 59_000)
        #expect(scene.signals.isEmpty)
        scene.pass(milliseconds: 2_000)
        #expect(scene.signals == [.terminate, .terminate])
        #expect(scene.instances.first?.stopping == nil, "it holds a message")
        scene.exit(two, 0)
        scene.exit(InstanceID(3), 0)
        scene.apply(.settled(one))
        scene.pass(milliseconds: 600_000)
        #expect(scene.states == [.ready], "one is the least")
    }
}
