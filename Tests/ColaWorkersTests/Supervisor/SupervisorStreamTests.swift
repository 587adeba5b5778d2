import ColaCore
import ColaWorkers
import Testing

/// What the supervisor does with processes that read messages from their standard input.
struct SupervisorStreamTests {
    private let one = InstanceID(1)

    private func scene(_ change: (inout WorkerDefinition) -> Void = { _ in }) throws -> SupervisorScene {
        var scene = SupervisorScene(try SupervisorScene.definition(.stream, 1...1, change))
        scene.bringUp()
        return scene
    }

    @Test func whatIsToldToEndHasItsInputEndedFirst() throws {
        var scene = try scene()
        scene.apply(.took(one))
        try scene.command(.stop)
        #expect(scene.actions.prefix(2) == [.stopFeeding(one), .endInput(one)])
        scene.apply(.settled(one))
        #expect(scene.signals.isEmpty)
        scene.exit(one, 0)
        #expect(scene.endings == [.stopped(.code(0), why: "the worker was stopped by operator")])
        #expect(scene.signals.isEmpty && scene.instances.isEmpty)
    }

    @Test func whoeverDoesNotSeeTheEndOfItsInputGetsTheSignal() throws {
        var scene = try scene()
        try scene.command(.stop, one)
        #expect(scene.actions.contains(.endInput(one)) && scene.signals.isEmpty)
        scene.pass(milliseconds: 1_999)
        #expect(scene.signals.isEmpty)
        scene.pass(milliseconds: 1)
        #expect(scene.signals == [.terminate])
        scene.pass(milliseconds: 10_000)
        #expect(scene.signals == [.kill])
    }

    @Test func theGraceIsTheMostItWaits() throws {
        var scene = try scene { $0.stop.grace = 300 }
        try scene.command(.stop, one)
        scene.pass(milliseconds: 300)
        #expect(scene.signals == [.terminate])
    }

    @Test func aPauseEndsNoInput() throws {
        var scene = try scene()
        try scene.command(.pause)
        #expect(!scene.actions.contains(.endInput(one)))
        try scene.command(.stop)
        #expect(scene.actions.contains(.endInput(one)))
    }

    @Test func whatMisbehavesIsStoppedAtOnceAndHasFailed() throws {
        var scene = try scene()
        scene.apply(.took(one))
        scene.apply(.misbehaved(one, "it wrote nonsense"))
        #expect(scene.actions.contains(.endInput(one)) && scene.signals == [.terminate])
        scene.apply(.misbehaved(one, "again"))
        #expect(scene.signals.isEmpty)
        scene.exit(one, 0)
        #expect(scene.endings == [.stopped(.code(0), why: "it wrote nonsense")])
        #expect(scene.states == [.terminated] && scene.instances[0].failuresInRow == 1)
        #expect(scene.instances[0].reason == "it wrote nonsense; exit code 0; it is started again in 100 ms")
        scene.pass(milliseconds: 100)
        #expect(scene.spawned == [one])
    }
}
