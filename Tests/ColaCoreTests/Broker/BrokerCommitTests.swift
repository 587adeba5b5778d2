import ColaCore
import ColaTesting
import Testing

/// What waits for the disk, and in which order answers leave.
@Suite struct BrokerCommitTests {
    @Test func nothingIsConfirmedBeforeItsCommit() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        #expect(scene.answers(channel).isEmpty)
        scene.broker.cut()
        #expect(scene.answers(channel).isEmpty)
        scene.broker.commitNext()
        #expect(scene.answers(channel) == [.done])
    }

    @Test func confirmsComeInTheOrderOfTheRequests() {
        let scene = Scene(queues: ["q", "r"])
        let channel = scene.attach()
        var sent: [RequestID] = []
        for number in 0..<10 {
            sent.append(scene.publish("\(number)", to: number % 2 == 0 ? "q" : "r", from: channel))
            if number % 3 == 0 { scene.broker.cut() }
        }
        scene.broker.commit()
        #expect(scene.answered(channel) == sent)
    }

    @Test func oneCommitConfirmsItsOwnBatchAlone() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        let first = scene.publish("a", to: "q", from: channel)
        scene.broker.cut()
        let second = scene.publish("b", to: "q", from: channel)
        scene.broker.cut()
        scene.broker.commitNext()
        #expect(scene.answered(channel) == [first])
        scene.broker.commitNext()
        #expect(scene.answered(channel) == [second])
    }

    @Test func aFailedPublishIsAnsweredInItsTurn() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        let first = scene.publish("a", to: "q", from: channel)
        let second = scene.publish("b", to: "nowhere", from: channel)
        #expect(scene.broker.hear(channel).isEmpty)
        scene.broker.commit()
        #expect(
            scene.broker.hear(channel) == [.answer(first, .done), .answer(second, .refused(code: "unroutable"))])
    }

    /// A channel whose answer waits behind another channel's batch must not be overtaken by its own next answer.
    @Test func answersKeepTheirOrderWhenOtherChannelsWaitForLaterBatches() {
        let scene = Scene(queues: ["q"])
        let (first, second) = (scene.attach(), scene.attach())
        let publish = scene.publish("a", to: "q", from: first)
        scene.broker.cut()
        scene.publish("b", to: "q", from: second)
        let early = scene.broker.send(.barrier, from: first)
        scene.broker.commitNext()
        let late = scene.broker.send(.barrier, from: first)
        let looking = scene.broker.send(.list(.queues), from: first)
        scene.broker.commit()
        #expect(scene.answered(first) == [publish, early, late, looking])
    }

    @Test func anAnswerAfterAnUncommittedAckWaitsForIt() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        _ = scene.broker.hear(channel)
        scene.broker.send(.settle(first: DeliveryTag(1), last: DeliveryTag(1), .acknowledge), from: channel)
        scene.broker.send(.barrier, from: channel)
        #expect(scene.answers(channel).isEmpty)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done])
    }

    @Test func aLoneAckIsCommittedAtTheLatestAfterTwentyMilliseconds() throws {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        #expect(scene.broker.commitDeadline == nil)
        let settled = Request.settle(first: DeliveryTag(1), last: DeliveryTag(1), .acknowledge)
        scene.broker.apply(.request(channel, .silent, settled))
        let deadline = try #require(scene.broker.commitDeadline)
        #expect(deadline == scene.broker.now.monotonic.advanced(byMilliseconds: 20))
        #expect(!scene.broker.broker.isCommitDue(at: scene.broker.now))
        scene.broker.pass(milliseconds: 19)
        #expect(!scene.broker.broker.isCommitDue(at: scene.broker.now))
        scene.broker.pass(milliseconds: 1)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
        #expect(scene.broker.cut()?.logs.first?.removed.map(\.lowerBound) == [Offset(0)])
        #expect(scene.broker.commitDeadline == nil)
    }

    /// What changes nothing durable must not make anybody wait for a batch that nobody will ever cut.
    @Test func acksOfADeletedQueuesMessagesDoNotStallTheirChannel() {
        let scene = Scene(queues: ["q"])
        let (consumer, other) = (scene.attach(), scene.attach())
        scene.publish("a", "b", to: "q", from: other)
        scene.broker.commit()
        scene.consume("q", from: consumer)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: other)
        scene.broker.commit()
        _ = scene.broker.hear(consumer)
        scene.settle(1, from: consumer)
        scene.settle(2, nil, .release, from: consumer)
        scene.broker.send(.barrier, from: consumer)
        scene.broker.send(.list(.queues), from: consumer)
        #expect(scene.broker.run())
        #expect(scene.answers(consumer) == [.done, .done, .done, .rows([])])
    }

    @Test func aRequestThatReadsWaitsForWhatItsChannelWrote() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        let publish = scene.publish("a", to: "q", from: channel)
        let get = scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        #expect(scene.broker.hear(channel).isEmpty)
        scene.broker.commit()
        let message = Heard.Received(consumer: 0, tag: 0, offset: 0, redelivered: nil, body: "a")
        #expect(scene.broker.hear(channel) == [.answer(publish, .done), .answer(get, .message(message))])
    }

    @Test func requestsBehindOneThatWaitsKeepTheirOrder() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        var sent = [scene.publish("a", to: "q", from: channel)]
        sent.append(scene.broker.send(.get(name: "q", isAutoAck: true), from: channel))
        sent.append(scene.publish("b", to: "q", from: channel))
        sent.append(scene.broker.send(.list(.queues), from: channel))
        sent.append(scene.broker.send(.get(name: "q", isAutoAck: true), from: channel))
        sent.append(scene.broker.send(.barrier, from: channel))
        #expect(scene.broker.run())
        let heard = scene.broker.hear(channel)
        #expect(heard.map { if case .answer(let id, _) = $0 { id } else { RequestID(0) } } == sent)
        let bodies = heard.compactMap { if case .answer(_, .message(let message)) = $0 { message.body } else { nil } }
        #expect(bodies == ["a", "b"])
    }

    /// Somebody else has declared it and it is not on the disk yet: the second `ok` stands for the same as the first.
    @Test func whatWasDeclaredBeforeIsConfirmedOnlyWhenItIsDurable() {
        let scene = Scene()
        let (first, second) = (scene.attach(), scene.attach())
        scene.broker.send(.declareQueue(QueueDeclaration(name: "q")), from: first)
        scene.broker.send(.declareQueue(QueueDeclaration(name: "q")), from: second)
        scene.broker.send(.declareExchange(ExchangeDeclaration(name: "x", kind: .fanout, alternate: nil)), from: first)
        scene.broker.send(.declareExchange(ExchangeDeclaration(name: "x", kind: .fanout, alternate: nil)), from: second)
        let binding = BindingDefinition(source: "x", destination: "q", routingKey: "")
        scene.broker.send(.bind(binding), from: first)
        scene.broker.send(.bind(binding), from: second)
        #expect(scene.answers(second).isEmpty)
        scene.broker.cut()
        scene.broker.send(.declareQueue(QueueDeclaration(name: "q")), from: second)
        #expect(scene.answers(second).isEmpty)
        scene.broker.commitNext()
        #expect(scene.answers(second) == [.declared(messages: 0), .done, .done, .declared(messages: 0)])
    }

    @Test func publishersAreHeldBackWhileTheGatheringBatchIsFull() {
        var limits = Limits()
        limits.gatheringBytesMax = 100
        let scene = Scene(queues: ["q"], limits: limits)
        let (publisher, other) = (scene.attach(), scene.attach())
        scene.publish(String(repeating: "x", count: 101), to: "q", from: publisher)
        #expect(scene.broker.broker.holdsBack(publisher))
        #expect(!scene.broker.broker.holdsBack(other))
        scene.broker.cut()
        #expect(!scene.broker.broker.holdsBack(publisher))
    }

    @Test func aChannelWithTooManyHeldAnswersIsHeldBack() {
        var limits = Limits()
        limits.heldAnswersMax = 3
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        for _ in 0..<2 { scene.broker.send(.barrier, from: channel) }
        #expect(!scene.broker.broker.holdsBack(channel))
        scene.broker.send(.barrier, from: channel)
        #expect(scene.broker.broker.holdsBack(channel))
        scene.broker.commit()
        #expect(!scene.broker.broker.holdsBack(channel))
    }

    @Test func whileTheStoreIsFullPublishersAreHeldBackAndEverybodyIsTold() {
        let scene = Scene(queues: ["q"])
        let (publisher, consumer) = (scene.attach(), scene.attach())
        scene.publish("a", to: "q", from: publisher)
        scene.consume("q", from: consumer)
        scene.broker.commit()
        _ = (scene.broker.hear(publisher), scene.broker.hear(consumer))
        scene.broker.apply(.alarm(.storage, "no room"))
        #expect(scene.broker.hear(publisher) == [.blocked("no room")])
        #expect(scene.broker.broker.holdsBack(publisher))
        #expect(!scene.broker.broker.holdsBack(consumer))
        scene.settle(1, from: consumer)
        #expect(scene.broker.run())
        scene.broker.apply(.alarm(.storage, nil))
        #expect(scene.broker.hear(consumer) == [.blocked("no room"), .answer(RequestID(4), .done), .blocked(nil)])
        #expect(!scene.broker.broker.holdsBack(publisher))
    }
}
