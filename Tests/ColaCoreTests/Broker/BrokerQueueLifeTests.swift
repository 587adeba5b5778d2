import ColaCore
import ColaTesting
import Testing

/// Queues that belong to somebody, end by themselves, or are deleted only under conditions.
@Suite struct BrokerQueueLifeTests {
    @Test func anExclusiveQueueIsLockedForOthers() {
        let scene = Scene()
        let (owner, other) = (scene.attach(), scene.attach())
        #expect(scene.declare("q", isExclusive: true, from: owner) == [.declared(messages: 0)])
        #expect(scene.declare("q", isExclusive: true, from: owner) == [.declared(messages: 0)])
        #expect(scene.declare("q", isExclusive: true, from: other) == [.refused(code: "locked")])
        #expect(scene.declare("q", from: other) == [.refused(code: "locked")])
        let requests: [Request] = [
            .consume(Consume(name: "q", consumer: ConsumerTag(1), flow: .prefetch(1))),
            .get(name: "q", isAutoAck: true),
            .peek(name: "q", partition: 0, from: Offset(0), count: 1),
            .purge(name: "q"),
            .deleteQueue(name: "q", ifUnused: false, ifEmpty: false),
            .alter(name: "q", set: Arguments(), clear: []),
            .bind(BindingDefinition(source: "amq.fanout", destination: "q", routingKey: "")),
            .redrive(name: "q", target: nil, count: nil),
        ]
        for request in requests {
            scene.broker.send(request, from: other)
            scene.rest()
            #expect(scene.answers(other) == [.refused(code: "locked")], "\(request)")
        }
        // Anybody may send to it: that is what reply queues are for.
        scene.put("a", to: "q", from: other)
        scene.rest()
        #expect(scene.answers(other) == [.done])
        scene.broker.send(.get(name: "q", isAutoAck: true), from: owner)
        scene.rest()
        guard case .message(let message)? = scene.answers(owner).last else {
            Issue.record("no message")
            return
        }
        #expect(message.body == "a")
    }

    @Test func anExclusiveQueueEndsWithItsConnection() {
        let scene = Scene()
        let (owner, other) = (scene.attach(), scene.attach())
        scene.declare("q", isExclusive: true, from: owner)
        scene.put("a", to: "q", from: owner)
        scene.consume("q", from: owner)
        scene.rest()
        scene.broker.detach(owner)
        scene.rest()
        #expect(scene.queue("q") == nil)
        #expect(scene.broker.broker.pinnedBytes == 0)
        #expect(scene.declare("q", from: other) == [.declared(messages: 0)])
    }

    @Test func anExclusiveQueueIsGoneAfterARestart() {
        let scene = Scene()
        let owner = scene.attach()
        scene.declare("q", isExclusive: true, from: owner)
        scene.broker.crash()
        #expect(scene.queue("q") == nil)
    }

    @Test func theBrokerChoosesANameWhereNoneIsGiven() {
        let scene = Scene()
        let channel = scene.attach()
        guard case .named(let first)? = scene.declare("", isExclusive: true, from: channel).last,
            case .named(let second)? = scene.declare("", from: channel).last
        else {
            Issue.record("no names")
            return
        }
        #expect(first != second)
        #expect(scene.queue(first) != nil)
        scene.put("a", to: second, from: channel)
        scene.rest()
        scene.broker.crash()
        #expect(scene.queue(first) == nil)
        #expect(scene.contents(second) == ["a"])
        // A name that was given is not given again.
        let next = scene.attach()
        guard case .named(let third)? = scene.declare("", from: next).last else {
            Issue.record("no name")
            return
        }
        #expect(third != first && third != second)
    }

    @Test func autoDeleteEndsWithTheLastConsumer() {
        let scene = Scene()
        scene.declare("q", isAutoDelete: true)
        scene.bind("amq.fanout", "q")
        let (first, second) = (scene.attach(), scene.attach())
        scene.put("a", to: "q", from: first)
        scene.rest()
        // It has had no consumer yet.
        #expect(scene.queue("q") != nil)
        scene.consume("q", from: first)
        scene.consume("q", from: second)
        scene.rest()
        scene.broker.detach(first)
        scene.rest()
        #expect(scene.queue("q") != nil)
        scene.broker.send(.cancel(ConsumerTag(1)), from: second)
        scene.rest()
        #expect(scene.queue("q") == nil)
        #expect(scene.stored(1) == nil)
        scene.broker.crash()
        #expect(scene.queue("q") == nil)
        let channel = scene.attach()
        scene.put("b", to: "", exchange: "amq.fanout", from: channel)
        #expect(scene.answers(channel) == [.refused(code: "unroutable")])
    }

    @Test func ofAQueueWithAutoDeleteTheOwnerCanDeleteItToo() {
        let scene = Scene()
        scene.declare("q", isAutoDelete: true)
        let channel = scene.attach()
        scene.consume("q", from: channel)
        scene.put("a", to: "q", from: channel)
        scene.rest()
        _ = scene.broker.hear(channel)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.rest()
        #expect(scene.broker.hear(channel).contains(.failed(ConsumerTag(1), code: "cancelled")))
        #expect(scene.queue("q") == nil)
    }

    @Test(arguments: [true, false])
    func aQueueThatNobodyUsesExpires(isDurable: Bool) {
        let scene = Scene()
        scene.declare("q", isDurable: isDurable) { $0.expires = 100 }
        let channel = scene.attach()
        scene.put("a", to: "q", from: channel)
        scene.rest()
        scene.pass(90)
        // A look and a publish are no use, a get and a declaration are.
        #expect(scene.contents("q") == ["a"])
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        scene.rest()
        scene.pass(90)
        scene.declare("q", isDurable: isDurable) { $0.expires = 100 }
        scene.pass(90)
        #expect(scene.queue("q") != nil)
        scene.consume("q", from: channel)
        scene.pass(1_000)
        #expect(scene.queue("q") != nil)
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        scene.pass(99)
        #expect(scene.queue("q") != nil)
        scene.pass(1)
        #expect(scene.queue("q") == nil)
        #expect(scene.stored(1) == nil)
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    @Test func aQueueThatNobodyUsesExpiresAfterARestart() {
        let scene = Scene()
        scene.declare("q") { $0.expires = 100 }
        scene.pass(90)
        scene.broker.crash()
        // Time begins with the first thing that happens.
        scene.pass(0)
        scene.pass(99)
        #expect(scene.queue("q") != nil)
        scene.pass(1)
        #expect(scene.queue("q") == nil)
        scene.pass(1_000)
        scene.broker.crash()
        #expect(scene.queue("q") == nil)
    }

    @Test func conditionsOfADeletionAreKept() {
        let scene = Scene()
        scene.declare("q")
        let channel = scene.attach()
        func delete(ifUnused: Bool = false, ifEmpty: Bool = false) -> Heard.Answer? {
            scene.broker.send(.deleteQueue(name: "q", ifUnused: ifUnused, ifEmpty: ifEmpty), from: channel)
            scene.rest()
            return scene.answers(channel).last
        }
        scene.put("a", to: "q", from: channel)
        scene.rest()
        #expect(delete(ifEmpty: true) == .refused(code: "in_use"))
        scene.consume("q", from: channel)
        scene.rest()
        #expect(delete(ifEmpty: true) == .refused(code: "in_use"))
        #expect(delete(ifUnused: true) == .refused(code: "in_use"))
        scene.settle(1, from: channel)
        scene.rest()
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        #expect(delete(ifUnused: true, ifEmpty: true) == .removed(messages: 0))
    }

    @Test func aDeclarationThatDiffersIsRefusedAndSaysSo() {
        let scene = Scene()
        scene.declare("q") { $0.maxLength = 5 }
        #expect(scene.declare("q") { $0.maxLength = 6 } == [.refused(code: "mismatch")])
        #expect(scene.declare("q", isDurable: false) { $0.maxLength = 5 } == [.refused(code: "mismatch")])
        #expect(scene.declare("q", isAutoDelete: true) { $0.maxLength = 5 } == [.refused(code: "mismatch")])
        #expect(scene.declare("q") { $0.maxLength = 5 } == [.declared(messages: 0)])
    }
}
