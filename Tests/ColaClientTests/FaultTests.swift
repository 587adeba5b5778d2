import ColaClient
import ColaTesting
import Foundation
import NIOCore
import Testing

/// What a client says when it is not a good server that it speaks to.
@Suite(.timeLimit(.minutes(5))) struct FaultTests {
    @Test func noServerIsUnreachable() async throws {
        let url = ColaURL(.unix(path: "/tmp/cola-nobody-\(UUID().uuidString).sock"))
        let refused = await error { _ = try await Client.connect(url: url) }
        #expect(refused?.code == .unreachable)
        #expect(refused?.isRetryable == true)
        #expect(refused?.message == "cannot reach a server at \(url): there is no such socket")
    }

    @Test func aWrongPasswordAndAMissingVirtualHostAreRefused() async throws {
        try await LiveServer.run(["--native", "127.0.0.1:0", "--amqp", "off"]) { server in
            let tcp = try #require(await server.tcp)
            let wrong = await error {
                _ = try await Client.connect(url: tcp, options: ClientOptions(user: "guest", password: "wrong"))
            }
            #expect(wrong?.code == .unauthenticated)
            #expect(wrong?.isRetryable == false)
            let nowhere = await error {
                _ = try await Client.connect(url: server.url, options: ClientOptions(virtualHost: "nowhere"))
            }
            #expect(nowhere?.code == .notFound)
            let options = ClientOptions(user: "guest", password: "guest", heartbeatSeconds: 5)
            try await withClient(url: tcp, options: options) { client in
                #expect(client.server.user == "guest")
                try await client.ping()
            }
        }
    }

    @Test func whatIsNoServerOfColaIsNamed() async throws {
        for reply in ["HTTP/1.1 400 Bad Request\r\n\r\n", "ok version=1\n", "\u{0}\u{1}\n", "ok t=9\n"] {
            try await FakeServer.run { _, _ in
                [.text(reply)]
            } _: { server in
                let refused = await error { _ = try await Client.connect(url: server.url) }
                #expect(refused?.code == .protocolViolation, "\(reply.debugDescription)")
                #expect(refused?.message.contains("\(server.url)") == true)
            }
        }
    }

    @Test func aServerThatDoesNotAnswerIsGivenUp() async throws {
        try await FakeServer.run { _, _ in
            [.text("")]
        } _: { server in
            let refused = await error {
                _ = try await Client.connect(url: server.url, options: ClientOptions(connectTimeoutMilliseconds: 1000))
            }
            #expect(refused?.code == .unreachable)
            #expect(
                refused?.message == "\(server.url) does not answer to 'hello'; 1 request in flight (first: hello): "
                    + "whether it was carried out is not known")
        }
    }

    @Test func aRequestIsGivenUpAfterItsTimeAndTheConnectionGoesOn() async throws {
        try await FakeServer.run { line, _ in
            guard line.hasPrefix("ping") else { return [] }
            // The answer to the declare, which is the second request, comes late.
            let late = line.contains("t=3") ? "ok t=2 ready=0\n" : ""
            return [.text(late + "ok \(tag(of: line))\n")]
        } _: { server in
            let options = ClientOptions(requestTimeoutMilliseconds: 100)
            try await withClient(url: server.url, options: options) { client in
                let late = await error { try await client.declareQueue("q") }
                #expect(late?.code == .timeout)
                #expect(late?.inFlight == 1)
                #expect(
                    late?.message == "\(server.url) has not answered the declare of queue 'q' within 100 ms; "
                        + "whether it was carried out is not known")
                // However slow this machine is, one of them is answered in time.
                var last: ColaError?
                repeat { last = await error { try await client.ping() } } while last?.code == .timeout
                #expect(last == nil)
            }
        }
    }

    @Test func theTimeForARequestIsNotThatForConnecting() async throws {
        try await FakeServer.run { line, _ in
            if line.hasPrefix("hello") { Thread.sleep(forTimeInterval: 0.05) }
            return []
        } _: { server in
            let options = ClientOptions(requestTimeoutMilliseconds: 1)
            try await Client.connect(url: server.url, options: options).close()
        }
    }

    @Test func aSilentServerIsGivenUpAndBeatsAreSentUntilThen() async throws {
        let welcome = FakeServer.welcome.replacingOccurrences(of: "heartbeat=0", with: "heartbeat=1")
        try await FakeServer.run { line, _ in
            line.hasPrefix("hello") ? [.text(welcome)] : []
        } _: { server in
            let client = try await Client.connect(url: server.url, options: ClientOptions(heartbeatSeconds: 1))
            let lost = await error { try await client.ping() }
            #expect(lost?.code == .connectionLost)
            #expect(lost?.message.contains("the server gave no sign of life for 2 s") == true)
            #expect(server.lines().contains("beat"))
        }
    }

    @Test func aServerThatSaysGoodByeIsQuoted() async throws {
        try await FakeServer.run { line, _ in
            line.hasPrefix("ping") ? [.text("bye shutting_down the server is stopping\n"), .close] : []
        } _: { server in
            let client = try await Client.connect(url: server.url)
            let said = await error { try await client.ping() }
            #expect(said?.code == .shuttingDown)
            #expect(said?.isRetryable == true)
            #expect(said?.inFlight == 1)
            let after = await error { try await client.ping() }
            #expect(after?.code == .shuttingDown)
        }
    }

    @Test func garbageEndsTheConnectionWhereverItIsFound() async throws {
        let broken = try Vectors().list("broken_answers")
        #expect(broken.count > 10)
        for vector in broken {
            let bytes = Vectors.bytes(vector)
            try await FakeServer.run { line, _ in
                line.hasPrefix("ping") ? [.bytes(bytes)] : []
            } _: { server in
                let client = try await Client.connect(url: server.url)
                let said = await error { try await client.ping() }
                #expect(said?.code == .protocolViolation, "\(vector["name"] ?? "")")
                await client.close()
            }
        }
    }

    @Test func whatAServerSaysOnItsOwnIsUnderstoodHoweverItIsCut() async throws {
        let unasked: Set = ["msg", "assigned", "blocked", "unblocked", "beat"]
        let vectors = try Vectors().list("answers").filter { vector in
            let kind = (vector["answer"] as? [String: Any])?["kind"] as? String
            return kind.map { unasked.contains($0) } ?? false && Vectors.bytes(vector).count < 5_000
        }
        #expect(vectors.count > 10)
        let bytes = vectors.flatMap { Vectors.bytes($0) }
        try await FakeServer.run { line, _ in
            line.hasPrefix("ping") ? [.bytewise(bytes + Array("ok \(tag(of: line))\n".utf8))] : []
        } _: { server in
            try await withClient(url: server.url) { try await $0.ping() }
        }
    }

    @Test func deliveriesArriveHoweverTheyAreCut() async throws {
        let sent = "msg 1 1 0 5 r=2 ts=7 key=%00k p=3 h.a=b%20c\nhello\nmsg 1 2 1 0 null=yes\n\n"
        try await FakeServer.run { line, _ in
            line.hasPrefix("consume") ? [.bytewise(Array("\(sent)ok \(tag(of: line))\n".utf8))] : []
        } _: { server in
            try await withClient(url: server.url) { client in
                let deliveries = try await client.consume("q")
                guard case .delivery(let first) = try await deliveries.next(),
                    case .delivery(let second) = try await deliveries.next()
                else { return }
                #expect(first.number == 1)
                #expect(first.message.failedDeliveries == 2)
                #expect(first.message.timestampMilliseconds == 7)
                #expect(first.message.key == Array("\u{0}k".utf8))
                #expect(first.message.partition == 3)
                #expect(first.message.header("a") == "b c")
                #expect(first.body == ByteBuffer(string: "hello"))
                #expect(second.message.isNull)
            }
        }
    }

    @Test func aDeletedQueueEndsItsConsumer() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            let deliveries = try await client.consume("q")
            try await client.delete(.queue, "q")
            let said = await error { _ = try await deliveries.next() }
            #expect(said?.code == .cancelled)
        }
    }

    @Test func theConnectionIsClosedWhateverTheBodyDoes() async throws {
        struct Mistake: Error {}
        try await FakeServer.run { _, _ in
            []
        } _: { server in
            await #expect(throws: Mistake.self) {
                try await withClient(url: server.url) { _ in throw Mistake() }
            }
            // Never answered, so that it waits until it is cancelled.
            let waiting = Task { try await withClient(url: server.url) { try await $0.ping() } }
            while !server.lines(of: 2).contains(where: { $0.hasPrefix("ping") }) { await Task.yield() }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(server.lines(of: 1).last?.hasPrefix("quit") == true)
            #expect(server.lines(of: 2).last?.hasPrefix("quit") == true)
        }
    }
}
