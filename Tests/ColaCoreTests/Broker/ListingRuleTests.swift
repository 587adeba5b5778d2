import ColaCore
import ColaTesting
import Testing

/// What people see when they look: each row says what is so.
@Suite(.timeLimit(.minutes(5))) struct ListingRuleTests {
    private func fields(_ value: Description.Value?) -> [Description] {
        switch value {
        case .fields(let row): [row]
        case .list(let values): values.flatMap { fields($0) }
        default: []
        }
    }

    @Test func topicsAndTheirPartitions() {
        let scene = Scene(topic: "t", partitions: 2, [.retentionBytes: "1000"])
        let channel = scene.attach()
        for number in 0..<5 { scene.put("\(number)", to: "t", .init(key: "k"), from: channel) }
        let partition = Murmur2.partition(ofKey: Array("k".utf8)[...], count: 2)
        scene.broker.send(
            .commitOffset(topic: "t", partition: partition, group: "g", next: Offset(1)), from: channel)
        scene.read(by: channel)
        scene.broker.commit()
        let row = scene.topic()
        #expect(row?.number("partitions") == 2)
        #expect(row?.number("messages") == 5)
        #expect(row?.number("bytes") == 10)
        #expect(row?.number("readers") == 1)
        #expect(row?.number("groups") == 1)
        let description = scene.describe(.topic("t"))
        #expect(description?.number("published") == 5)
        #expect(fields(description?["logs"]).map { $0.number("messages") } == (partition == 0 ? [5, 0] : [0, 5]))
        #expect(fields(description?["arguments"]).first?["retention-bytes"] == .text("1000"))
    }

    @Test func readersAndHowFarTheyAreBehind() {
        let scene = Scene(topic: "t", partitions: 2)
        let channel = scene.attach()
        for number in 0..<10 { scene.put("\(number)", to: "t", from: channel) }
        scene.broker.commit()
        var consume = Consume(name: "t", consumer: ConsumerTag(7), flow: .credit(1), position: .offset(Offset(2)))
        consume.partitions = [1]
        scene.broker.send(.consume(consume), from: channel)
        scene.settle()
        let row = scene.rows(.consumers).first
        #expect(row?.number("consumer") == 7)
        #expect(row?["queue"] == .text("t"))
        #expect(row?.number("credit") == 0)
        #expect(row?.number("unacknowledged") == 1)
        let position = fields(row?["partitions"]).first
        #expect(position?.number("partition") == 1)
        #expect(position?.number("next") == 3)
        #expect(position?.number("lag") == 2)
        // What retention took is nobody's lag.
        scene.broker.send(.alter(name: "t", set: scene.arguments([.retentionBytes: "1"]), clear: []), from: channel)
        scene.settle()
        #expect(fields(scene.rows(.consumers).first?["partitions"]).first?.number("lag") ?? 9 <= 2)
    }

    @Test(arguments: [0, 1000])
    func usersAreThoseWhoMayComeInAndThoseWhoHave(serverUser: Int) {
        var recovery = Recovery(epoch: Epoch(1))
        recovery.users = [
            UserDefinition(name: "ana", password: UserDefinition.guest.password, tags: ["administrator"])
        ]
        recovery.permissions = [.all(of: "ana", in: "/")]
        let broker = Broker(recovery, access: Access(serverUser: serverUser))
        let now = Now(monotonic: Instant(0), wall: Timestamp(0))
        var effects: [Effect] = []
        for (number, user) in ["uid:1000", "ana", "uid:7", "ana"].enumerated() {
            var info = ChannelInfo(protocolName: "native", peer: "", user: user)
            info.authority = user == "uid:1000" ? .all : .user
            broker.apply(.attach(ChannelID(UInt64(number)), info), at: now, into: &effects)
        }
        broker.apply(.request(ChannelID(0), RequestID(1), .list(.users)), at: now, into: &effects)
        guard case .reply(_, _, .rows(let rows))? = effects.last else {
            Issue.record("no rows")
            return
        }
        #expect(rows.map { $0.text("name") } == ["ana", "uid:0", "uid:1000", "uid:7"])
        #expect(rows.map { $0.number("connections") } == [2, 0, 1, 1])
        #expect(
            rows.map { $0["administrator"] } == [.truth(true), .truth(true), .truth(serverUser == 1000), .truth(false)])
        #expect(rows.map { $0.text("authentication") } == ["password", "unix-socket", "unix-socket", "unix-socket"])
        #expect(rows.map { $0["vhosts"] == .list([.text("/")]) } == [true, true, serverUser == 1000, false])
        #expect(!"\(rows)".contains("f12843"))
    }

    @Test func queuesWithTheirPriorities() {
        let scene = Scene()
        let channel = scene.attach()
        scene.declare(queue: "q", [.maxPriority: "9"], from: channel)
        scene.put("a", to: "q", from: channel)
        scene.put("b", to: "q", .init(priority: 200), from: channel)
        scene.put("c", to: "q", .init(priority: 4), from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 1, from: channel)
        let description = scene.describe(.queue("q"))
        let lanes = fields(description?["priorities"])
        #expect(lanes.map { $0.number("priority") } == [9, 4, 0])
        #expect(lanes.map { $0.number("ready") } == [0, 1, 1])
        #expect(lanes.map { $0.number("unacknowledged") } == [1, 0, 0])
        #expect(description?.number("ready") == 2)
        #expect(description?.number("unacknowledged") == 1)
        #expect(description?.number("messages") == 3)
        let counts = fields(description?["counts"]).first
        #expect(counts?.number("published") == 3)
        #expect(counts?.number("delivered") == 1)
    }

    @Test func bindingsExchangesAndConnections() {
        let scene = Scene(queues: ["q", "r"])
        let channel = scene.attach()
        scene.broker.send(
            .bind(BindingDefinition(source: "amq.topic", destination: "r", routingKey: "b")), from: channel)
        scene.broker.send(
            .bind(BindingDefinition(source: "amq.topic", destination: "q", routingKey: "a")), from: channel)
        let match = HeadersMatch(isAny: true, headers: [.init(name: "h", value: "1")])
        scene.broker.send(
            .bind(
                BindingDefinition(source: "amq.headers", destination: "q", routingKey: "", arguments: match.arguments)),
            from: channel)
        scene.broker.commit()
        let rows = scene.rows(.bindings)
        #expect(rows.map { $0["source"] } == [.text("amq.headers"), .text("amq.topic"), .text("amq.topic")])
        #expect(rows.map { $0["destination"] } == [.text("q"), .text("q"), .text("r")])
        #expect(rows[0]["match"] == .text("any"))
        #expect(fields(rows[0]["headers"]).first?["h"] == .text("1"))
        #expect(fields(rows[0]["arguments"]).first?["x-match"] == .text("any"))
        #expect(fields(scene.describe(.exchange("amq.topic"))?["bindings"]).count == 2)
        #expect(fields(scene.describe(.queue("q"))?["bindings"]).count == 2)
        #expect(scene.rows(.exchanges).count == 6)
        #expect(scene.rows(.connections).map { $0.number("connection") }.contains(Int(channel.rawValue)))
        #expect(scene.describe(.virtualHost("/"))?.number("bindings") == 3)
        #expect(scene.rows(.virtualHosts).first?.number("queues") == 2)
    }

    @Test func whatIsNotThereIsRefused() {
        let scene = Scene(topic: "t")
        let channel = scene.attach()
        let subjects: [Subject] = [
            .queue("t"), .topic("q"), .exchange("x"), .group(topic: "t", group: "g"), .group(topic: "q", group: "g"),
            .policy("p"), .virtualHost("h"),
        ]
        for subject in subjects { scene.broker.send(.describe(subject), from: channel) }
        #expect(scene.answers(channel) == Array(repeating: .refused(code: "not_found"), count: subjects.count))
    }
}
