import ColaClient
import NIOCore
import Synchronization
import Testing

/// Coming back after a lost connection.
@Suite(.timeLimit(.minutes(5))) struct ReconnectTests {
    /// Comes back at once, and tells how long it would have waited.
    private final class Waits: Sendable {
        let milliseconds = Mutex<[Int]>([])

        func policy(attemptsMax: Int? = nil, random: @escaping @Sendable (ClosedRange<Int>) -> Int) -> ReconnectPolicy {
            var policy = ReconnectPolicy(
                firstDelayMilliseconds: 100, delayMillisecondsMax: 1000, attemptsMax: attemptsMax)
            policy.random = random
            policy.sleep = { [self] delay in
                milliseconds.withLock { $0.append(delay) }
                try Task.checkCancellation()
                await Task.yield()
            }
            return policy
        }
    }

    private var soon: ClientOptions {
        ClientOptions(reconnect: ReconnectPolicy(firstDelayMilliseconds: 10, delayMillisecondsMax: 50))
    }

    @Test func itWaitsTwiceAsLongEachTimeUpToAMostAndLessByChance() async throws {
        let most: @Sendable (ClosedRange<Int>) -> Int = { $0.upperBound }
        let least: @Sendable (ClosedRange<Int>) -> Int = { $0.lowerBound }
        for (random, expected) in [
            (most, [100, 200, 400, 800, 1000, 1000]), (least, [50, 100, 200, 400, 500, 500]),
        ] {
            let waits = Waits()
            try await FakeServer.run { line, connection in
                if connection == 1 { return line.hasPrefix("ping") ? [.close] : [] }
                return [.close]
            } _: { server in
                let options = ClientOptions(reconnect: waits.policy(attemptsMax: 6, random: random))
                let client = try await Client.connect(url: server.url, options: options)
                let lost = await error { try await client.ping() }
                #expect(lost?.code == .connectionLost)
                let gaveUp = await error { try await client.ping() }
                #expect(gaveUp?.message.hasSuffix("gave up after 6 attempts to connect again") == true)
                #expect(waits.milliseconds.withLock { $0 } == expected)
            }
        }
    }

    @Test func itDoesNotTryAgainWhereItIsRefusedForGood() async throws {
        let waits = Waits()
        try await FakeServer.run { line, connection in
            if connection == 1 { return line.hasPrefix("ping") ? [.close] : [] }
            return [.text("err t=1 unauthenticated final wrong name or password\nbye unauthenticated wrong\n"), .close]
        } _: { server in
            let options = ClientOptions(reconnect: waits.policy { $0.upperBound })
            let client = try await Client.connect(url: server.url, options: options)
            _ = await error { try await client.ping() }
            let refused = await error { try await client.ping() }
            #expect(refused?.code == .unauthenticated)
            #expect(waits.milliseconds.withLock { $0 } == [100])
        }
    }

    @Test func whatWasInFlightFailsAndIsNotSentAgain() async throws {
        try await FakeServer.run { line, connection in
            if line.hasPrefix("declare") { return connection == 1 ? [.close] : [.text("ok t=9 ready=0\n")] }
            return line.hasPrefix("ping") ? [.text("ok \(tag(of: line))\n")] : []
        } _: { server in
            try await withClient(url: server.url, options: soon) { client in
                let lost = await error { try await client.declareQueue("q") }
                #expect(lost?.code == .connectionLost)
                #expect(lost?.inFlight == 1)
                // This one waits for the next connection.
                try await client.ping()
                #expect(!server.lines(of: 2).contains { $0.hasPrefix("declare") })
            }
        }
    }

    @Test func consumersGoOnAfterTheServerWasStartedAgain() async throws {
        try await LiveServer.run { server in
            try await withClient(url: server.url, options: soon) { client in
                try await client.declareQueue("q")
                for text in ["a", "b", "c"] { try await client.publish(text, to: .queue("q")) }
                let deliveries = try await client.consume("q", prefetch: 2)
                guard case .delivery(let first) = try await deliveries.next() else { return }
                guard case .delivery(let second) = try await deliveries.next() else { return }
                try client.ack(first)
                try await client.settled()

                try await server.stop()
                try await server.start()

                // The one that was not acknowledged comes again, under a number of its own.
                guard case .delivery(let again) = try await deliveries.next() else { return }
                #expect(again.body == ByteBuffer(string: "b"))
                #expect(again.message.isRedelivered)
                #expect(again.number > second.number)
                let stale = await error { try client.ack(second) }
                #expect(stale?.code == .unknownDelivery)
                #expect(
                    stale?.message
                        == "delivery \(second.number) came over a connection that was lost: the server has it "
                        + "back and delivers it again; settle the new delivery")
                try client.ack(again)
                guard case .delivery(let last) = try await deliveries.next() else { return }
                #expect(last.body == ByteBuffer(string: "c"))
                try client.ack(last)
                try await client.settled()
                try await deliveries.cancel()
                #expect(try await client.get("q") == nil)
            }
        }
    }

    /// The first connection is lost at once, the second one while consumers begin again on it.
    @Test func aConnectionLostWhileConsumersBeginAgainIsLostAsAnyOther() async throws {
        try await FakeServer.run { line, connection in
            let ok = "ok \(tag(of: line))\n"
            if line.hasPrefix("ping") { return connection == 1 ? [.close] : [.text(ok)] }
            if line.hasPrefix("consume a"), connection > 1 { return [.text("\(ok)msg 1 1 0 1\n\(connection)\n")] }
            if line.hasPrefix("consume b"), connection == 2 { return [.close] }
            return line.hasPrefix("consume") ? [.text(ok)] : []
        } _: { server in
            try await withClient(url: server.url, options: soon) { client in
                let deliveries = try await client.consume("a")
                let others = try await client.consume("b")
                _ = await error { try await client.ping() }
                try await client.ping()
                var numbers: [Int64] = []
                // What the second connection brought may have been taken before it was lost.
                while case .delivery(let delivery) = try await deliveries.next() {
                    #expect(!numbers.contains(delivery.number))
                    numbers.append(delivery.number)
                    guard delivery.body == ByteBuffer(string: "3") else { continue }
                    #expect(delivery.number == 2)
                    try client.ack(delivery)
                    try await client.settled()
                    break
                }
                #expect(server.lines(of: 3).contains("ack 1"))
                #expect(!others.isReady)
            }
        }
    }

    /// The second connection answers for the other consumer only when the first one's delivery is acknowledged.
    @Test func whatComesWhileOthersBeginAgainCanBeAcknowledged() async throws {
        try await FakeServer.run { line, connection in
            let ok = "ok \(tag(of: line))\n"
            if line.hasPrefix("ping") { return connection == 1 ? [.close] : [.text(ok)] }
            guard connection == 2 else { return line.hasPrefix("consume") ? [.text(ok)] : [] }
            if line.hasPrefix("consume a") { return [.text(ok + "msg 1 1 0 1\nx\n")] }
            return line.hasPrefix("ack") ? [.text("ok t=3\n")] : []
        } _: { server in
            try await withClient(url: server.url, options: soon) { client in
                let deliveries = try await client.consume("a")
                _ = try await client.consume("b")
                _ = await error { try await client.ping() }
                guard case .delivery(let delivery) = try await deliveries.next() else { return }
                try client.ack(delivery)
                try await client.settled()
            }
        }
    }

    @Test func acknowledgementsOfALostConnectionAreNotTakenForDone() async throws {
        try await FakeServer.run { line, connection in
            if line.hasPrefix("consume") { return [.text("ok \(tag(of: line))\nmsg 1 1 0 1\nx\n")] }
            if line.hasPrefix("ack") { return [.close] }
            return line.hasPrefix("ping") ? [.text("ok \(tag(of: line))\n")] : []
        } _: { server in
            try await withClient(url: server.url, options: soon) { client in
                let deliveries = try await client.consume("q")
                guard case .delivery(let first) = try await deliveries.next() else { return }
                try client.ack(first)
                // The same message, over the next connection.
                guard case .delivery(let second) = try await deliveries.next() else { return }
                #expect(second.number == 2)
                let unknown = await error { try await client.settled() }
                #expect(unknown?.code == .connectionLost)
                #expect(unknown?.message.contains("whether they are on the server's disk is not known") == true)
                #expect(await error { try client.ack(first) }?.code == .unknownDelivery)
                try await client.settled()
            }
        }
    }

    @Test func aReaderGoesOnWhereItWas() async throws {
        try await LiveServer.run { server in
            try await withClient(url: server.url, options: soon) { client in
                try await client.declareTopic("log", partitions: 2)
                var options = OutgoingMessage("")
                for partition in 0..<2 {
                    options.partition = partition
                    let bodies = (0..<20).map { ByteBuffer(string: "\($0)") }
                    try await client.publishBatch(bodies, to: .queue("log"), options: options)
                }
                var records = try await client.read("log", from: .first, prefetch: 4).makeAsyncIterator()
                var read: [Int: [Int64]] = [:]
                for count in 0..<40 {
                    if count == 15 {
                        try await server.stop()
                        try await server.start()
                    }
                    guard let record = try await records.next() else { break }
                    read[record.partition, default: []].append(record.offset)
                }
                #expect(read == [0: Array(0..<20), 1: Array(0..<20)])
            }
        }
    }

    @Test func aMemberJoinsAgainAndGoesOnAtWhatIsCommitted() async throws {
        try await LiveServer.run { server in
            try await withClient(url: server.url, options: soon) { client in
                try await client.declareTopic("log")
                for text in ["0", "1", "2"] { try await client.publish(text, to: .queue("log")) }
                let member = try await client.join("g", of: "log")
                var seen: [String] = []
                for try await event in member {
                    switch event {
                    case .assigned(let assignment): seen.append("assigned \(assignment.partitions)")
                    case .record(let record):
                        seen.append("\(record.offset)")
                        if record.offset == 0 { try await member.commit(record) }
                        if seen == ["assigned [0: 0]", "0", "1"] {
                            try await server.stop()
                            try await server.start()
                        }
                    }
                    if seen.contains("assigned [0: 1]"), seen.last == "2" { break }
                }
                // What the server had sent before it stopped may be seen as well.
                let again = seen.firstIndex(of: "assigned [0: 1]") ?? 0
                #expect([["assigned [0: 0]", "0", "1"], ["assigned [0: 0]", "0", "1", "2"]].contains(seen[..<again]))
                #expect(seen[again...] == ["assigned [0: 1]", "1", "2"])
            }
        }
    }

    @Test func aConsumerOfAQueueThatIsGoneEndsAndTheOthersGoOn() async throws {
        try await FakeServer.run { line, connection in
            if line.hasPrefix("consume gone"), connection == 2 {
                return [.text("err \(tag(of: line)) not_found final there is no 'gone'\n")]
            }
            if line.hasPrefix("consume here"), connection == 2 {
                return [.text("ok \(tag(of: line))\nmsg 2 1 0 1\nx\n")]
            }
            if line.hasPrefix("consume") { return [.text("ok \(tag(of: line))\n")] }
            return line.hasPrefix("ping") && connection == 1 ? [.close] : []
        } _: { server in
            try await withClient(url: server.url, options: soon) { client in
                let gone = try await client.consume("gone")
                let here = try await client.consume("here")
                _ = await error { try await client.ping() }
                let said = await error { _ = try await gone.next() }
                #expect(said?.code == .notFound)
                guard case .delivery(let delivery) = try await here.next() else { return }
                #expect(delivery.body == ByteBuffer(string: "x"))
            }
        }
    }

    @Test func aClosedClientWaitsForNothing() async throws {
        let waits = Waits()
        try await FakeServer.run { line, connection in
            connection == 1 ? (line.hasPrefix("ping") ? [.close] : []) : [.close]
        } _: { server in
            let options = ClientOptions(reconnect: waits.policy { $0.upperBound })
            let client = try await Client.connect(url: server.url, options: options)
            _ = await error { try await client.ping() }
            let waiting = Task { try await client.ping() }
            while waits.milliseconds.withLock({ $0.count }) < 3 { await Task.yield() }
            await client.close()
            await #expect(throws: (any Error).self) { try await waiting.value }
            let closed = await error { try await client.ping() }
            #expect(closed?.code == .closed)
        }
    }
}
