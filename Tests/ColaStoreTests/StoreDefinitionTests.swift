import ColaCore
import Testing

@testable import ColaStore

/// Definitions and states come back as they were stored, whatever the store.
@Suite(.timeLimit(.minutes(2)))
struct StoreDefinitionTests {
    private func arguments() throws -> Arguments {
        var arguments = Arguments()
        for (argument, text) in [
            (.messageTimeToLive, "60000"), (.overflow, "reject-publish-dlx"), (.deadLetterExchange, ""),
            (.deadLetterRoutingKey, "käse"), (.isSingleActiveConsumer, "no"), (.maxPriority, "9"),
            (.deduplicationWindow, "5000"),
        ] as [(Argument, String)] {
            try argument.set(text, in: &arguments)
        }
        return arguments
    }

    @Test(arguments: StoreKind.allCases)
    func everyDefinitionComesBackAsItWas(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        #expect(open.recovery.virtualHosts == [VirtualHostDefinition(name: "/")])
        var topicArguments = Arguments()
        try Argument.cleanup.set("compact,delete", in: &topicArguments)
        try Argument.retentionBytes.set("1000000", in: &topicArguments)
        let queue = QueueDefinition(
            host: "h", name: "q", log: LogID(1),
            higher: [.init(priority: 3, log: LogID(7)), .init(priority: 9, log: LogID(2))], arguments: try arguments(),
            isAutoDelete: true)
        let plain = QueueDefinition(name: "q", log: LogID(3))
        let topic = TopicDefinition(
            host: "h", name: "t", partitions: [LogID(5), LogID(4)], arguments: topicArguments)
        let odd: ArgumentTable = [
            "": .nothing, "ä 1:x": .text(" 5:y=\n"), "b": .integer(.min), "c": .float(-1.5), "d": .truth(true),
            "e": .opaque(type: 0x41, [0, 255], text: nil), "g": .opaque(type: 0x54, [7], text: "7:8"),
            "f": .truth(false), "x-match": .integer(1),
        ]
        let exchange = ExchangeDefinition(
            host: "h", name: "e", kind: .consistentHash, isAutoDelete: true, isInternal: true, isDelayed: true,
            alternate: "other", arguments: odd)
        let headers = HeadersMatch(
            isAny: true, headers: [.init(name: "a b", value: nil), .init(name: "ä=3:x", value: " 5:y\n")])
        let bindings = [
            BindingDefinition(source: "e", destination: "q", routingKey: ""),
            BindingDefinition(host: "h", source: "e", target: .exchange, destination: "q", routingKey: "k"),
            BindingDefinition(host: "h", source: "e", destination: "q", routingKey: "k"),
            BindingDefinition(host: "h", source: "e", destination: "q", routingKey: "k", arguments: headers.arguments),
            BindingDefinition(host: "h", source: "e", destination: "q", routingKey: "k", arguments: odd),
            BindingDefinition(host: "h", source: "e", destination: "q", routingKey: "k", arguments: ["a": .integer(1)]),
            BindingDefinition(host: "h", source: "e", destination: "q", routingKey: "k", arguments: ["a": .text("1")]),
        ]
        let policy = PolicyDefinition(
            host: "h", name: "p", pattern: "^a.*", appliesTo: .topics, priority: -3, arguments: try arguments())
        var batch = Batch(number: BatchNumber(1), nextLog: LogID(8))
        batch.definitions =
            [
                .put(.virtualHost(VirtualHostDefinition(name: "h"))), .put(.virtualHost(.init(name: "gone"))),
                .put(.queue(queue)), .put(.queue(plain)), .put(.topic(topic)), .put(.exchange(exchange)),
                .put(.exchange(ExchangeDefinition(name: "e", kind: .direct))), .put(.policy(policy)),
                .put(.policy(PolicyDefinition(name: "p", pattern: "", arguments: Arguments()))),
            ] + bindings.map { .put(.binding($0)) }
        try open.commit(batch)
        batch = Batch(number: BatchNumber(2))
        batch.definitions = [
            .remove(.virtualHost(.init(name: "gone"))), .remove(.virtualHost(.init(name: "/"))),
            .remove(.exchange(ExchangeDefinition(name: "e", kind: .direct))), .remove(.binding(bindings[2])),
            .remove(.binding(bindings[5])),
            .remove(.policy(PolicyDefinition(name: "p", pattern: "", arguments: Arguments()))),
        ]
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.virtualHosts.map(\.name) == ["/", "h"])
        #expect(open.recovery.queues.map(\.definition) == [queue, plain])
        #expect(open.recovery.queues.map(\.states) == [[.empty, .empty, .empty], [.empty]])
        #expect(open.recovery.topics.map(\.definition) == [topic])
        #expect(open.recovery.exchanges == [exchange])
        #expect(Set(open.recovery.bindings) == Set([0, 1, 3, 4, 6].map { bindings[$0] }))
        #expect(open.recovery.bindings.count == 5)
        #expect(open.recovery.policies == [policy])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aPolicyIsForEachKindOfThing(_ kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var arguments = Arguments()
        arguments.alternateExchange = "x"
        let policies = PolicyDefinition.AppliesTo.allCases.map {
            PolicyDefinition(name: $0.rawValue, pattern: "", appliesTo: $0, arguments: arguments)
        }.sorted { $0.name < $1.name }
        var open = try bench.open()
        var batch = Batch(number: BatchNumber(1))
        batch.definitions = policies.map { .put(.policy($0)) }
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.policies.sorted { $0.name < $1.name } == policies)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aDefinitionIsReplacedAndKeepsItsLogs(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        var queue = QueueDefinition(name: "q1", log: LogID(1), arguments: try arguments())
        var batch = Batch(number: BatchNumber(1))
        batch.definitions = [.put(.queue(queue))]
        try open.commit(batch)
        try open.commit(.appending(0..<10, number: 2))
        // A message of a higher priority came: it has a log from now on.
        queue.higher = [.init(priority: 5, log: LogID(2))]
        queue.arguments = Arguments()
        batch = Batch.appending(0..<4, to: 2, number: 3)
        batch.definitions = [.put(.queue(queue))]
        batch.nextLog = LogID(3)
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.queues.map(\.definition) == [queue])
        #expect(open.recovery.queues.map(\.states) == [[.all(below: 10), .all(below: 4)]])
        #expect(try open.alive(LogID(2)) == [0, 1, 2, 3])
        batch = Batch(number: BatchNumber(1))
        batch.definitions = [.remove(.queue(queue))]
        try open.commit(batch)
        #expect(try open.read(LogID(1)).chunks.isEmpty)
        #expect(try open.read(LogID(2)).chunks.isEmpty)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func theNextExpiryIsPartOfAState(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1, 2]))
        var batch = Batch.appending(0..<3, number: 2)
        batch.logs[0].state.nextExpiry = Timestamp(1_800_000_000_000)
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.queues.map(\.states[0].nextExpiry) == [Timestamp(1_800_000_000_000), nil])
        try open.commit(.appending(3..<4, number: 1))
        try open.store.close()
        open = try bench.open()
        #expect(open.recovery.queues[0].states == [.all(below: 4)])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func groupsAreForgottenOneByOne(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        var batch = Batch.declaring([1, 2])
        batch.groupOffsets = [
            GroupOffset(group: "a", log: LogID(1), next: Offset(1)),
            GroupOffset(group: "a", log: LogID(2), next: Offset(2)),
            GroupOffset(group: "b", log: LogID(1), next: Offset(3)),
        ]
        try open.commit(batch)
        batch = Batch(number: BatchNumber(2))
        batch.groupsRemoved = [GroupOffset(group: "a", log: LogID(1), next: Offset(0))]
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(
            open.recovery.groupOffsets == [
                GroupOffset(group: "b", log: LogID(1), next: Offset(3)),
                GroupOffset(group: "a", log: LogID(2), next: Offset(2)),
            ])
        try open.store.close()
    }

    /// What there was no room for in memory, of logs that nobody wants after a restart.
    @Test(arguments: StoreKind.allCases, [false, true])
    func transientLogsGoAtTheNextStart(kind: StoreKind, isDeclared: Bool) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        var batch = Batch.declaring(isDeclared ? [1, 2] : [2])
        batch.nextLog = LogID(3)
        try open.commit(batch)
        batch = Batch(number: BatchNumber(2))
        var change = LogChange(log: LogID(1), state: .all(below: 20))
        change.isTransient = true
        change.spilled = [.numbered(0..<5), .numbered(5..<12)]
        change.appended = [.records(.numbered(12..<20))]
        batch.logs = [change]
        try open.commit(batch)
        #expect(try bench.rows(LogID(1)) == [0, 5, 12])
        #expect(try open.alive(LogID(1)) == Array(0..<20))
        try open.commit(.appending(0..<5, to: 2, number: 3))
        try open.store.close()
        open = try bench.open()
        #expect(try open.read(LogID(1)).chunks.isEmpty)
        #expect(try open.alive(LogID(2)) == Array(0..<5))
        #expect(open.recovery.nextLog == LogID(3))
        if isDeclared {
            // Its offsets go on.
            #expect(open.recovery.queues[0].states == [.all(below: 20, from: 20)])
            try open.commit(.appending(20..<23, number: 1))
            #expect(try open.alive(LogID(1)) == [20, 21, 22])
        }
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aTransientLogCanEndBefore(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        var change = LogChange(log: LogID(1), state: .all(below: 5))
        change.isTransient = true
        change.spilled = [.numbered(0..<5)]
        try open.commit(Batch(number: BatchNumber(1), logs: [change]))
        // It was never stored, but it says whose the log was.
        var batch = Batch(number: BatchNumber(2))
        batch.definitions = [.remove(.queue(QueueDefinition(name: "q", log: LogID(1))))]
        try open.commit(batch)
        #expect(try open.read(LogID(1)).chunks.isEmpty)
        try open.store.close()
        try bench.open().store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func whoeverLostTheEpochWritesNothing(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        try open.commit(.appending(0..<5, number: 2))
        try bench.stealEpoch()
        open.store.submit(.appending(5..<10, number: 3))
        try open.events.wait { !$0.failed.isEmpty }
        #expect(open.events.all.committed.last == BatchNumber(2))
        #expect(open.events.all.failed.first?.description.contains("epoch 1") == true)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.epoch == Epoch(3))
        #expect(try open.alive(LogID(1)) == Array(0..<5))
        try open.store.close()
    }
}
