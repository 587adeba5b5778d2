import ColaCore
import ColaTesting
import Testing

/// Questions about workers are answered in their turn, by somebody else.
@Suite struct BrokerWorkersTests {
    private static let show = WorkerRequest.show(.init(worker: "resize"))

    /// A scene whose questions are kept in place of being answered.
    private final class Questions {
        var asked: [(channel: ChannelID, request: RequestID, WorkerRequest)] = []

        init(of scene: Scene) {
            scene.broker.effectListener = { [weak self] effect in
                if case .workers(let channel, let request, let workers) = effect {
                    self?.asked.append((channel, request, workers))
                }
            }
        }

        func answer(_ index: Int, _ result: Result<WorkerAnswer, BrokerError>, _ scene: Scene) {
            scene.broker.apply(.workersAnswered(asked[index].channel, asked[index].request, result))
        }
    }

    @Test func theAnswerComesInItsTurnAndOthersGoOnMeanwhile() {
        let scene = Scene(queues: [])
        let questions = Questions(of: scene)
        let (asking, other) = (scene.attach(), scene.attach())
        scene.broker.send(.workers(Self.show), from: asking)
        scene.broker.send(.barrier, from: asking)
        scene.broker.send(.barrier, from: other)
        #expect(questions.asked.map(\.2) == [Self.show])
        #expect(scene.answers(asking) == [] && scene.answers(other) == [.done])
        questions.answer(0, .success(.done), scene)
        #expect(scene.answers(asking) == [.done, .done])
    }

    @Test func eachQuestionOfAConnectionWaitsForTheOneBefore() {
        let scene = Scene(queues: [])
        let questions = Questions(of: scene)
        let channel = scene.attach()
        scene.broker.send(.workers(Self.show), from: channel)
        scene.broker.send(.workers(.control(.stop, .init(worker: "resize"))), from: channel)
        #expect(questions.asked.count == 1)
        questions.answer(0, .failure(.worker(.undefined)), scene)
        #expect(questions.asked.count == 2)
        questions.answer(0, .success(.done), scene)
        #expect(scene.answers(channel) == [.refused(code: "not_found")])
        questions.answer(1, .success(.rows([])), scene)
        #expect(scene.answers(channel).count == 1)
    }

    @Test func whatTheConnectionWroteBeforeIsOnTheDiskFirst() {
        let scene = Scene(queues: ["jobs"])
        let questions = Questions(of: scene)
        let channel = scene.attach()
        scene.publish("a", to: "jobs", from: channel)
        scene.broker.send(.workers(.list), from: channel)
        #expect(questions.asked.isEmpty)
        scene.broker.commit()
        #expect(questions.asked.count == 1)
    }

    @Test func theAnswerForAConnectionThatHasGoneIsForNobody() {
        let scene = Scene(queues: [])
        let questions = Questions(of: scene)
        let (first, second) = (scene.attach(), scene.attach())
        scene.broker.send(.workers(Self.show), from: first)
        scene.broker.send(.workers(.list), from: second)
        scene.broker.detach(first)
        questions.answer(0, .success(.done), scene)
        #expect(scene.broker.hear(first).isEmpty && scene.broker.hear(second).isEmpty)
        questions.answer(1, .success(.done), scene)
        #expect(scene.answers(second) == [.done])
    }

    @Test(arguments: [
        ("resize", "resize", nil), ("resize/7", "resize", 7), ("7", "7", nil),
        ("a/18446744073709551615", "a", UInt64.max),
    ])
    func aTargetIsAWorkerOrOneOfItsInstances(text: String, worker: String, instance: UInt64?) throws {
        let target = try #require(WorkerRequest.Target(text))
        #expect(target == WorkerRequest.Target(worker: worker, instance: instance))
        #expect(target.name == text)
    }

    @Test(arguments: ["a/", "/7", "a/0", "a/07", "a/+7", "a/x", "a/b/", "a/18446744073709551616"])
    func whatIsNeitherIsNoTarget(text: String) {
        #expect(WorkerRequest.Target(text) == nil)
    }
}
