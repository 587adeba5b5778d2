import ColaCore
import ColaTesting
import Testing

/// Which policy is for what, and what holds where a policy and a queue both say something.
@Suite(.timeLimit(.minutes(5))) struct PolicyKindTests {
    private func set(
        _ name: String, _ texts: [Argument: String], to kind: PolicyDefinition.AppliesTo, priority: Int = 0,
        in scene: Scene
    ) -> [Heard.Answer] {
        let channel = scene.attach()
        defer { scene.broker.detach(channel) }
        scene.broker.send(
            .setPolicy(
                PolicyDefinition(
                    name: name, pattern: "", appliesTo: kind, priority: priority, arguments: scene.arguments(texts))),
            from: channel)
        scene.broker.commit()
        return scene.answers(channel)
    }

    private func effective(_ scene: Scene, _ subject: Subject) -> [String: String] {
        guard case .fields(let fields) = scene.describe(subject)?["effective"] else { return [:] }
        var texts: [String: String] = [:]
        for field in fields.fields { if case .text(let text) = field.value { texts[field.name] = text } }
        return texts
    }

    @Test func ofTwoLimitsTheLowerHoldsAndOfTheRestTheQueuesOwn() {
        let scene = Scene()
        let limits: [Argument] = [
            .messageTimeToLive, .expires, .maxLength, .maxLengthBytes, .deliveryLimit, .consumerTimeout,
        ]
        for (own, policy, expected) in [("70000", "90000", "70000"), ("90000", "70000", "70000")] {
            for argument in limits {
                let name = "\(argument.rawValue)-\(own)"
                scene.declare(name) { try? argument.set(own, in: &$0) }
                #expect(set("p", [argument: policy], to: .queues, in: scene) == [.done])
                #expect(effective(scene, .queue(name))[argument.rawValue] == expected)
            }
        }
        scene.declare("own") { arguments in
            arguments.overflow = .rejectPublish
            arguments.deadLetterExchange = "own"
            arguments.deliveryLimit = -1
        }
        let policy: [Argument: String] = [.overflow: "drop-head", .deadLetterExchange: "p", .deliveryLimit: "5"]
        #expect(set("p", policy, to: .queues, in: scene) == [.done])
        #expect(
            effective(scene, .queue("own"))
                == ["overflow": "reject-publish", "dead-letter-exchange": "own", "delivery-limit": "5"])
    }

    @Test func quorumQueuesClassicQueuesAndStreamsHaveTheirOwn() {
        let scene = Scene(queues: ["classic"])
        let channel = scene.attach()
        scene.declare("quorum") { $0.queueType = .quorum }
        scene.declare(topic: "stream", partitions: 1, from: channel)
        #expect(set("c", [.maxLength: "1"], to: .classicQueues, in: scene) == [.done])
        #expect(set("q", [.deliveryLimit: "3"], to: .quorumQueues, in: scene) == [.done])
        #expect(set("s", [.maxLengthBytes: "4000"], to: .streams, in: scene) == [.done])
        for restart in [{}, scene.broker.crash] {
            restart()
            #expect(effective(scene, .queue("classic")) == ["max-length": "1"])
            #expect(effective(scene, .queue("quorum")) == ["queue-type": "quorum", "delivery-limit": "3"])
            #expect(effective(scene, .topic("stream")) == ["retention-bytes": "4000"])
            #expect(scene.rows(.queues).map { $0["type"] } == [.text("classic"), .text("quorum")])
        }
        #expect(set("x", [.maxLength: "1"], to: .streams, in: scene) == [.refused(code: "syntax")])
        #expect(set("x", [.maxLength: "1"], to: .exchanges, in: scene) == [.refused(code: "syntax")])
        #expect(set("x", [.queueType: "quorum"], to: .queues, in: scene) == [.refused(code: "syntax")])
        #expect(set("x", [.alternateExchange: "a"], to: .queues, in: scene) == [.refused(code: "syntax")])
    }

    @Test func anExchangeGetsItsAlternateByPolicyUnlessItHasOne() {
        let scene = Scene(queues: ["lost", "own"])
        for (name, alternate) in [("a", nil), ("b", "mine"), ("mine", nil)] as [(String, String?)] {
            let channel = scene.attach()
            scene.broker.send(
                .declareExchange(
                    ExchangeDeclaration(
                        name: name, kind: name == "mine" ? .fanout : .direct, alternate: alternate)),
                from: channel)
            scene.broker.commit()
        }
        scene.bind("amq.fanout", "lost")
        scene.bind("mine", "own")
        var channel = scene.attach()
        scene.publish("early", to: "nobody", from: channel, exchange: "a")
        #expect(set("p", [.alternateExchange: "amq.fanout"], to: .exchanges, in: scene) == [.done])
        for restart in [{}, scene.broker.crash] {
            restart()
            channel = scene.attach()
            scene.publish("of a", to: "nobody", from: channel, exchange: "a")
            scene.publish("of b", to: "nobody", from: channel, exchange: "b")
            scene.broker.commit()
            #expect(scene.takeAll("lost") == ["of a"])
            #expect(scene.takeAll("own") == ["of b"])
            #expect(scene.describe(.exchange("a"))?["policy"] == .text("p"))
            #expect(scene.describe(.exchange("b"))?["effective-alternate"] == .text("mine"))
        }
        channel = scene.attach()
        // One that comes later has it, too.
        scene.broker.send(.declareExchange(ExchangeDeclaration(name: "c", kind: .topic)), from: channel)
        scene.publish("of c", to: "nobody", from: channel, exchange: "c")
        scene.broker.commit()
        #expect(scene.takeAll("lost") == ["of c"])
        scene.broker.send(.clearPolicy(name: "p"), from: channel)
        scene.publish("late", to: "nobody", from: channel, exchange: "a")
        scene.broker.commit()
        #expect(scene.takeAll("lost") == [])
    }

    @Test func agesMayHaveAUnit() throws {
        let ages: [(String, Int64?)] = [
            ("1000", 1000), ("7D", 604_800_000), ("24h", 86_400_000), ("30m", 1_800_000), ("9s", 9_000),
            ("1Y", 31_536_000_000), ("2M", 5_184_000_000), ("0D", nil), ("D", nil), ("1.5h", nil), ("1w", nil),
            ("-1D", nil), ("99999999999999999999D", nil), ("101Y", nil), ("", nil),
        ]
        for (text, expected) in ages {
            var arguments = Arguments()
            try? Argument.named("max-age")?.set(text, in: &arguments)
            #expect(arguments.retentionMilliseconds == expected, "\(text)")
        }
    }
}
