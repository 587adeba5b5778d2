import ColaCore
import ColaTesting
import Testing

/// Arguments that change while messages flow: by policy, or of one queue.
@Suite(.timeLimit(.minutes(5))) struct PolicyRuleTests {
    private func set(
        _ name: String, _ pattern: String, _ texts: [Argument: String], to kind: PolicyDefinition.AppliesTo = .all,
        priority: Int = 0, in scene: Scene, from channel: ChannelID
    ) {
        scene.broker.send(
            .setPolicy(
                PolicyDefinition(
                    name: name, pattern: pattern, appliesTo: kind, priority: priority,
                    arguments: scene.arguments(texts))),
            from: channel)
    }

    private func alter(
        _ name: String, _ texts: [Argument: String], clear: [Argument] = [], in scene: Scene, from channel: ChannelID
    ) {
        scene.broker.send(.alter(name: name, set: scene.arguments(texts), clear: clear), from: channel)
    }

    private func effective(_ scene: Scene, _ subject: Subject) -> [String: String] {
        guard case .fields(let fields) = scene.describe(subject)?["effective"] else { return [:] }
        var texts: [String: String] = [:]
        for field in fields.fields { if case .text(let text) = field.value { texts[field.name] = text } }
        return texts
    }

    @Test func thePatternThePriorityAndTheNameDecideWhichCounts() {
        let scene = Scene(queues: ["jobs.a", "jobs.b", "other"])
        let channel = scene.attach()
        set("z", "^jobs", [.maxLength: "1"], in: scene, from: channel)
        set("a", "^jobs", [.maxLength: "2", .messageTimeToLive: "5"], in: scene, from: channel)
        set("b", "b$", [.maxLength: "3"], priority: 1, in: scene, from: channel)
        scene.broker.commit()
        for restart in [{}, scene.broker.crash, scene.broker.stop] {
            restart()
            #expect(effective(scene, .queue("jobs.a")) == ["max-length": "2", "message-ttl": "5"])
            #expect(effective(scene, .queue("jobs.b")) == ["max-length": "3"])
            #expect(effective(scene, .queue("other")) == [:])
            #expect(scene.rows(.queues).map { $0["policy"] } == [.text("a"), .text("b"), .some(.none)])
            #expect(scene.rows(.policies).map { $0["name"] } == [.text("a"), .text("b"), .text("z")])
        }
        let next = scene.attach()
        scene.declare(queue: "jobs.c", from: next)
        scene.broker.send(.clearPolicy(name: "a"), from: next)
        scene.broker.send(.clearPolicy(name: "none"), from: next)
        scene.broker.commit()
        #expect(scene.answers(next) == [.declared(messages: 0), .done, .refused(code: "not_found")])
        #expect(effective(scene, .queue("jobs.c")) == ["max-length": "1"])
        #expect(effective(scene, .queue("jobs.a")) == ["max-length": "1"])
        guard case .list(let queues) = scene.describe(.policy("z"))?["queues"] else {
            Issue.record("no queues")
            return
        }
        #expect(queues == [.text("jobs.a"), .text("jobs.c")])
    }

    @Test func itAppliesToQueuesOrTopicsOrBothAndAddsToOwnArguments() {
        let scene = Scene()
        let channel = scene.attach()
        scene.declare(queue: "q", [.maxLength: "7"], from: channel)
        scene.declare(topic: "t", partitions: 1, [.retentionBytes: "9"], from: channel)
        set("q", "", [.maxLength: "9", .maxLengthBytes: "5"], to: .queues, priority: 1, in: scene, from: channel)
        set("t", "", [.retentionBytes: "10", .cleanup: "compact"], to: .topics, priority: 1, in: scene, from: channel)
        set("both", "", [.deduplicationWindow: "77"], in: scene, from: channel)
        #expect(effective(scene, .queue("q")) == ["max-length": "7", "max-length-bytes": "5"])
        #expect(effective(scene, .topic("t")) == ["retention-bytes": "9", "cleanup-policy": "compact"])
        scene.broker.send(.clearPolicy(name: "q"), from: channel)
        scene.broker.send(.clearPolicy(name: "t"), from: channel)
        #expect(effective(scene, .queue("q")) == ["max-length": "7", "deduplication-window": "77"])
        #expect(effective(scene, .topic("t")) == ["retention-bytes": "9", "deduplication-window": "77"])
    }

    @Test func whatAPolicyMayNotSayIsRefusedAndChangesNothing() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        set("p", "q", [.maxLength: "5"], in: scene, from: channel)
        set("p", "(", [.maxLength: "6"], in: scene, from: channel)
        set("p", "q", [.maxPriority: "6"], in: scene, from: channel)
        set("p", "q", [.retentionBytes: "6"], to: .queues, in: scene, from: channel)
        set("p", "q", [.maxLength: "6"], to: .topics, in: scene, from: channel)
        set("amq.p", "q", [.maxLength: "6"], in: scene, from: channel)
        scene.broker.commit()
        #expect(
            scene.answers(channel)
                == [.done] + Array(repeating: .refused(code: "syntax"), count: 4) + [.refused(code: "access_refused")])
        #expect(effective(scene, .queue("q")) == ["max-length": "5"])
        scene.broker.crash()
        #expect(effective(scene, .queue("q")) == ["max-length": "5"])
    }

    @Test func itTakesEffectAtOnceOnWhatIsThere() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        for number in 0..<10 { scene.publish("\(number)", to: "q", from: channel) }
        scene.broker.commit()
        set("p", "q", [.maxLength: "3", .messageTimeToLive: "1000"], in: scene, from: channel)
        #expect(scene.counts("q")?.ready == 3)
        // Those that are there already do not expire; the new one does.
        scene.publish("new", to: "q", from: channel)
        scene.settle(milliseconds: 1_100)
        #expect(scene.drain("q") == ["8", "9"])
        set("p", "q", [.expires: "5000"], in: scene, from: channel)
        scene.settle(milliseconds: 4_900)
        #expect(scene.counts("q") != nil)
        // Another argument does not begin its time anew.
        set("p", "q", [.expires: "5000", .maxLength: "9"], in: scene, from: channel)
        scene.settle(milliseconds: 200)
        #expect(scene.counts("q") == nil)
        scene.broker.crash()
        #expect(scene.counts("q") == nil)
    }

    @Test func aClearedPolicyHasNoEffectAnyMore() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        set("p", "q", [.expires: "5000", .maxLength: "1"], in: scene, from: channel)
        scene.broker.send(.clearPolicy(name: "p"), from: channel)
        for number in 0..<5 { scene.publish("\(number)", to: "q", from: channel) }
        scene.settle(milliseconds: 10_000)
        #expect(scene.counts("q")?.ready == 5)
        scene.broker.crash()
        scene.settle(milliseconds: 10_000)
        #expect(scene.counts("q")?.ready == 5)
    }

    @Test func itIsAnsweredWhenItIsDurable() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        set("p", "q", [.maxLength: "1"], in: scene, from: channel)
        scene.broker.cut()
        #expect(scene.answers(channel).isEmpty)
        scene.broker.crash()
        #expect(scene.rows(.policies).isEmpty)
        #expect(effective(scene, .queue("q")) == [:])
    }

    @Test func thereAreNoMoreThanTheLimitAndOneThatIsThereCanBeReplaced() {
        var limits = Limits()
        limits.policiesMax = 2
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        for name in ["a", "b", "c", "a"] { set(name, "x", [.maxLength: "1"], in: scene, from: channel) }
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done, .refused(code: "limit"), .done])
    }

    @Test func alterSetsAndClearsWhatAQueueSaysItself() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.declare(topic: "t", partitions: 1, from: channel)
        scene.declare(queue: "own", [.maxPriority: "3"], from: channel)
        set("p", "", [.maxLength: "100"], to: .queues, in: scene, from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        for number in 0..<5 { scene.publish("\(number)", to: "q", from: channel) }
        alter("q", [.maxLength: "2", .overflow: "drop-head"], in: scene, from: channel)
        alter("q", [.retentionBytes: "2"], in: scene, from: channel)
        alter("t", [.maxLength: "2"], in: scene, from: channel)
        alter("none", [.maxLength: "2"], in: scene, from: channel)
        alter("own", [.maxPriority: "2"], in: scene, from: channel)
        alter("own", [:], clear: [.maxPriority], in: scene, from: channel)
        alter("own", [.maxPriority: "9"], in: scene, from: channel)
        alter("q", [.deadLetterRoutingKey: "x"], in: scene, from: channel)
        scene.settle()
        #expect(
            scene.answers(channel).suffix(8) == [
                .done, .refused(code: "syntax"), .refused(code: "syntax"), .refused(code: "not_found"),
                .refused(code: "mismatch"), .refused(code: "mismatch"), .done, .refused(code: "syntax"),
            ])
        #expect(scene.counts("q")?.ready == 2)
        scene.broker.crash()
        #expect(effective(scene, .queue("q")) == ["max-length": "2", "overflow": "drop-head"])
        #expect(effective(scene, .queue("own")) == ["max-length": "100", "max-priority": "9"])
        channel = scene.attach()
        alter("q", [.maxLengthBytes: "50"], clear: [.maxLength, .overflow], in: scene, from: channel)
        #expect(effective(scene, .queue("q")) == ["max-length": "100", "max-length-bytes": "50"])
        // It is declared as what it is now.
        scene.declare(queue: "q", [.maxLengthBytes: "50"], from: channel)
        scene.declare(queue: "q", from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .declared(messages: 2), .refused(code: "mismatch")])
    }

    /// No command does the work of ten thousand queues.
    @Test func manyQueuesAreReachedInSlices() {
        var limits = Limits()
        limits.sweepMax = 10
        let scene = Scene(queues: (0..<95).map { "q\($0)" }, limits: limits)
        let channel = scene.attach()
        set("p", "q", [.maxLength: "3"], in: scene, from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done])
        var turns = 0
        while scene.broker.broker.nextDeadline == Instant(0), turns < 1_000 {
            turns += 1
            // Some go meanwhile, others come.
            if turns == 2 {
                for name in ["q0", "q50", "q94"] {
                    scene.broker.send(.deleteQueue(name: name, ifUnused: false, ifEmpty: false), from: channel)
                }
                scene.declare(queue: "q100", from: channel)
            }
            scene.broker.pass(milliseconds: 0)
        }
        #expect((3...12).contains(turns))
        let rows = scene.rows(.queues)
        #expect(rows.count == 93)
        #expect(rows.allSatisfy { $0["policy"] == .text("p") })
        // One that comes in the middle of another is the one that counts.
        set("r", "q", [.maxLength: "4"], priority: 1, in: scene, from: channel)
        set("r", "q1", [.maxLength: "4"], priority: 1, in: scene, from: channel)
        scene.broker.send(.clearPolicy(name: "p"), from: channel)
        #expect(scene.settle())
        for row in scene.rows(.queues) {
            guard case .text(let name) = row["name"] else { continue }
            #expect(row["policy"] == (name.contains("q1") ? .text("r") : Description.Value.none))
        }
    }

    @Test func aQueueWithASingleActiveConsumerBecomesOneWhileItRuns() {
        let scene = Scene(queues: ["q"])
        let (first, second) = (scene.attach(), scene.attach())
        scene.consume("q", prefetch: 1, from: first)
        scene.consume("q", prefetch: 10, from: second)
        set("p", "q", [.isSingleActiveConsumer: "yes"], in: scene, from: first)
        scene.publish("a", "b", "c", to: "q", from: second)
        scene.broker.commit()
        #expect(scene.bodies(first) == ["a"])
        #expect(scene.bodies(second).isEmpty)
        scene.broker.send(.clearPolicy(name: "p"), from: first)
        #expect(scene.bodies(second) == ["b", "c"])
    }
}
