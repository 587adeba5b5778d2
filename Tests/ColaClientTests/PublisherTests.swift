import ColaClient
import NIOCore
import Testing

/// Publishers: their window, and what they say when something comes between.
@Suite(.timeLimit(.minutes(5))) struct PublisherTests {
    @Test func everythingIsStoredWhenThePublisherIsDone() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            let confirmed = try await client.withPublisher(to: .queue("q"), window: 16) { publisher in
                for number in 0..<1000 { try await publisher.publish(ByteBuffer(string: "\(number)")) }
                var urgent = OutgoingMessage("last", headers: [Header("k", "v")])
                urgent.id = "1000"
                try await publisher.publish(urgent)
                try await publisher.confirmAll()
                return publisher.confirmedCount
            }
            #expect(confirmed == 1001)
            let last = try #require(try await client.peek("q", from: 1000).first)
            #expect(last.id == "1000")
            #expect(last.header("k") == "v")
        }
    }

    @Test func aFullWindowHoldsThePublisherBackUntilSomethingIsConfirmed() async throws {
        try await FakeServer.run { line, _ in
            guard line.hasPrefix("pub") else { return [] }
            if line.contains("t=4") { return [.text("ok t=2-4\n")] }
            return line.contains("t=5") ? [.text("ok t=5\n")] : []
        } _: { server in
            let client = try await Client.connect(url: server.url)
            let confirmed = try await client.withPublisher(to: .queue("q"), window: 3) { publisher in
                for _ in 0..<3 { try await publisher.publish(ByteBuffer(string: "x")) }
                // Goes on when the three before are confirmed, and no earlier.
                try await publisher.publish(ByteBuffer(string: "y"))
                return publisher.confirmedCount
            }
            #expect(confirmed >= 3)
        }
    }

    @Test func aConnectionLostInTheMiddleSaysWhatIsConfirmedAndWhatIsNotKnown() async throws {
        for reconnect in [nil, ReconnectPolicy(firstDelayMilliseconds: 1)] {
            try await FakeServer.run { line, connection in
                if line.hasPrefix("ping") { return [.text("ok \(tag(of: line))\n")] }
                guard line.hasPrefix("pub"), connection == 1 else { return [] }
                if line.contains("t=5") { return [.text("ok t=2-5\n")] }
                return line.contains("t=11") ? [.close] : []
            } _: { server in
                let client = try await Client.connect(
                    url: server.url, options: ClientOptions(reconnect: reconnect))
                let lost = await error {
                    try await client.withPublisher(to: .queue("q"), window: 100) { publisher in
                        for _ in 0..<10 { try await publisher.publish(ByteBuffer(string: "x")) }
                    }
                }
                #expect(lost?.code == .connectionLost)
                #expect(lost?.confirmed == 4)
                #expect(lost?.inFlight == 6)
                #expect(
                    lost?.message == "lost the connection to \(server.url): it was closed by the server; 6 requests in "
                        + "flight (first: publish to 'q'): whether they were carried out is not known")
                // Nothing was published again.
                if reconnect != nil { try await client.ping() }
                #expect(server.lines().filter { $0.hasPrefix("pub") }.count == 10)
                await client.close()
            }
        }
    }

    @Test func aCancelledTaskLeavesThePublisherAndTheConnectionGoesOn() async throws {
        try await FakeServer.run { line, _ in
            line.hasPrefix("ping") ? [.text("ok t=2\nok \(tag(of: line))\n")] : []
        } _: { server in
            let client = try await Client.connect(url: server.url)
            let publishing = Task {
                try await client.withPublisher(to: .queue("q"), window: 1) { publisher in
                    try await publisher.publish(ByteBuffer(string: "never confirmed"))
                    try await publisher.publish(ByteBuffer(string: "never sent"))
                }
            }
            while !server.lines().contains("never confirmed") { await Task.yield() }
            publishing.cancel()
            await #expect(throws: CancellationError.self) { try await publishing.value }
            // The confirm that comes after all is nobody's matter any more.
            try await client.ping()
            #expect(!server.lines().contains("never sent"))
        }
    }

    @Test func aRefusalIsThrownByWhateverComesNext() async throws {
        try await LiveServer.withClient { client in
            let refused = await error {
                try await client.withPublisher(to: .queue("nowhere")) { publisher in
                    try await publisher.publish(ByteBuffer(string: "x"))
                }
            }
            #expect(refused?.code == .unroutable)
            #expect(refused?.confirmed == 0)
        }
    }

    @Test func whatTheServerWouldNotTakeIsNotSent() async throws {
        try await FakeServer.run { _, _ in
            []
        } _: { server in
            let client = try await Client.connect(url: server.url)
            let large = await error { try await client.publish(ByteBuffer(repeating: 0, count: 1001), to: .queue("q")) }
            #expect(large?.code == .tooLarge)
            #expect(
                large?.message == "the body has 1001 bytes, and the server takes 1000 (body-max); publish it in parts, "
                    + "or keep it elsewhere and publish where")
            var message = OutgoingMessage("x")
            message.delayMilliseconds = -1
            let negative = await error { [message] in try await client.publish(message, to: .queue("q")) }
            #expect(negative?.message == "a message's delay is 0 or more milliseconds, not -1")
            #expect(server.lines().count == 1)
        }
    }
}
