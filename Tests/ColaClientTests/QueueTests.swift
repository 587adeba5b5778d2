import ColaClient
import NIOCore
import Testing

/// Publishing and consuming against a broker.
@Suite(.timeLimit(.minutes(5))) struct QueueTests {
    /// As README.md has it.
    @Test func theFirstStepsWork() async throws {
        try await LiveServer.run { server in
            var bodies: [String] = []
            let options = ClientOptions(reconnect: ReconnectPolicy())
            try await withClient(url: server.url, options: options) { client in
                try await client.declareQueue("jobs")
                try await client.publish("hello", to: .queue("jobs"))
                for try await delivery in try await client.consume("jobs", limit: 1) {
                    bodies.append(String(buffer: delivery.body))
                    try client.ack(delivery)
                }
                try await client.settled()
                #expect(try await client.list(.queues).contains("\"messages\":0"))
            }
            #expect(bodies == ["hello"])
        }
    }

    @Test func everythingSaidOfAMessageArrivesWithIt() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("orders")
            var message = OutgoingMessage(
                "body", key: [0, 1, 255], headers: [Header("lang", "en"), Header("a b", "=")])
            message.id = "id 1"
            message.priority = 7
            message.timeToLiveMilliseconds = 3_600_000
            message.replyTo = "answers"
            message.correlationID = "c/1"
            #expect(try await client.publish(message, to: .queue("orders")) == .stored)
            let stored = try #require(try await client.get("orders")).message
            #expect(stored.body == ByteBuffer(string: "body"))
            #expect(stored.key == [0, 1, 255])
            #expect(stored.header("lang") == "en")
            #expect(stored.header("a b") == "=")
            #expect(stored.id == "id 1")
            #expect(stored.priority == 7)
            #expect(stored.replyTo == "answers")
            #expect(stored.correlationID == "c/1")
            let expires = try #require(stored.expiresMilliseconds)
            #expect(expires - (try #require(stored.timestampMilliseconds)) == 3_600_000)
            #expect(!stored.isRedelivered)
        }
    }

    @Test func aDelayedMessageComesWhenItIsTimeAndNoEarlier() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("later")
            for (text, delay) in [("tomorrow", Int64(86_400_000)), ("soon", 50)] {
                var message = OutgoingMessage(text)
                message.delayMilliseconds = delay
                try await client.publish(message, to: .queue("later"))
            }
            for try await delivery in try await client.consume("later", limit: 1) {
                #expect(delivery.body == ByteBuffer(string: "soon"))
                try client.ack(delivery)
            }
            try await client.settled()
            #expect(try await client.get("later") == nil)
        }
    }

    @Test func aBatchIsThereAsAWhole() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            try await client.publishBatch((0..<50).map { ByteBuffer(string: "\($0)") }, to: .queue("q"))
            var bodies: [String] = []
            for try await delivery in try await client.consume("q", limit: 50) {
                bodies.append(String(buffer: delivery.body))
            }
            #expect(bodies == (0..<50).map { "\($0)" })
            let none = await error { try await client.publishBatch([], to: .queue("q")) }
            #expect(none?.code == .limit)
        }
    }

    @Test func noMoreThanThePrefetchAreSentUntilSomeAreAcknowledged() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            try await client.publishBatch((0..<10).map { ByteBuffer(string: "\($0)") }, to: .queue("q"))
            let deliveries = try await client.consume("q", prefetch: 3)
            var taken: [Delivery] = []
            for _ in 0..<3 {
                guard case .delivery(let delivery) = try await deliveries.next() else { return }
                taken.append(delivery)
            }
            // The answer comes after whatever the server would have sent before it.
            try await client.ping()
            #expect(!deliveries.isReady)
            try client.ack(taken[0])
            guard case .delivery(let fourth) = try await deliveries.next() else { return }
            #expect(fourth.body == ByteBuffer(string: "3"))
        }
    }

    @Test func aCancelledConsumerEndsAtOnceAndGivesBackWhatWasNotTaken() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            try await client.publishBatch((0..<5).map { ByteBuffer(string: "\($0)") }, to: .queue("q"))
            let deliveries = try await client.consume("q", prefetch: 5)
            let (taken, took) = AsyncStream.makeStream(of: Delivery.self)
            let reader = Task {
                for try await delivery in deliveries {
                    took.yield(delivery)
                    // Here until it is cancelled.
                    try? await Task.sleep(for: .seconds(600))
                }
            }
            var iterator = taken.makeAsyncIterator()
            let first = try #require(await iterator.next())
            reader.cancel()
            try await reader.value
            // The four others are there for whoever comes, the first one is still held.
            var others: [String] = []
            for _ in 1..<5 {
                let delivery = try #require(try await client.get("q"))
                #expect(delivery.message.isRedelivered)
                others.append(String(buffer: delivery.body))
            }
            #expect(others == ["1", "2", "3", "4"])
            #expect(try await client.get("q") == nil)
            try client.ack(first)
            try await client.settled()
        }
    }

    @Test func aScopeOfDeliveriesEndsItsConsumer() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            try await client.publish("one", to: .queue("q"))
            try await client.publish("two", to: .queue("q"))
            try await client.withDeliveries(of: "q") { deliveries in
                guard case .delivery(let delivery) = try await deliveries.next() else { return }
                try client.ack(delivery)
            }
            try await client.settled()
            #expect(try await client.list(.consumers) == "[]")
            #expect(try #require(try await client.get("q")).body == ByteBuffer(string: "two"))
        }
    }

    @Test func theConsumerWithTheHigherPriorityIsServedAndAnExclusiveOneIsAlone() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            let low = try await client.consume("q", priority: 1)
            let high = try await client.consume("q", priority: 2)
            for _ in 0..<3 { try await client.publish("x", to: .queue("q")) }
            for _ in 0..<3 { _ = try await high.next() }
            #expect(!low.isReady)
            try await client.declareQueue("mine")
            _ = try await client.consume("mine", isExclusive: true)
            let refused = await error { _ = try await client.consume("mine") }
            #expect(refused?.code == .inUse)
        }
    }

    @Test func whatIsGivenBackWithADelayComesLater() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            try await client.publish("again", to: .queue("q"))
            let deliveries = try await client.consume("q")
            guard case .delivery(let first) = try await deliveries.next() else { return }
            try client.nack(first, delayMilliseconds: 100)
            guard case .delivery(let second) = try await deliveries.next() else { return }
            #expect(second.body == first.body)
            #expect(second.message.isRedelivered)
            try client.ack(second)
            try await client.settled()
        }
    }

    @Test func whatWasAcknowledgedWhenSentCannotBeAcknowledged() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("q")
            try await client.publish("x", to: .queue("q"))
            let deliveries = try await client.consume("q", acknowledgement: .automatic)
            guard case .delivery(let delivery) = try await deliveries.next() else { return }
            let refused = await error { try client.ack(delivery) }
            #expect(refused?.code == .unknownDelivery)
            #expect(refused?.message.contains("acknowledged when it was sent") == true)
        }
    }

    @Test func aQuestionGetsItsAnswer() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("sums")
            let requests = try await client.consume("sums")
            async let answer = client.request(OutgoingMessage("2+2"), to: .queue("sums"))
            guard case .delivery(let question) = try await requests.next() else { return }
            try await client.answer(question.message, with: OutgoingMessage("4"))
            try client.ack(question)
            #expect(try await answer.body == ByteBuffer(string: "4"))
            // The queue for the answer is gone with it.
            try await client.ping()
            #expect(try await client.list(.queues).contains("cola.gen") == false)
            let late = await error { try await client.answer(question.message, with: OutgoingMessage("5")) }
            #expect(late?.code == .unroutable)
        }
    }

    @Test func headerValuesAreBytes() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("orders")
            let header = Header("raw", bytes: [0xFF, 0, 0xFE])
            try await client.publish(OutgoingMessage("", headers: [header]), to: .queue("orders"))
            let stored = try #require(try await client.get("orders")).message
            #expect(stored.headers == [header])
            #expect(stored.header("raw") == "\u{FFFD}\0\u{FFFD}")
        }
    }

    @Test func aQueueWithPrioritiesIsBrowsedPageByPage() async throws {
        try await LiveServer.withClient { client in
            var options = Client.QueueOptions()
            options.arguments = [Client.Argument("max-priority", "9")]
            try await client.declareQueue("orders", options: options)
            for number in 0..<6 {
                var message = OutgoingMessage("\(number)")
                message.priority = UInt8(number % 2 * 5)
                try await client.publish(message, to: .queue("orders"))
            }
            for count in 1...7 {
                var bodies: [String] = []
                var page = try await client.browse("orders", count: count)
                bodies += page.messages.map { String(buffer: $0.body) }
                while let next = page.next {
                    page = try await client.browse("orders", from: next, count: count)
                    bodies += page.messages.map { String(buffer: $0.body) }
                }
                #expect(bodies == ["1", "3", "5", "0", "2", "4"])
            }
            let why = try await client.why("orders", offset: 2, priority: 5)
            #expect(why.contains("\"priority\":5") && why.contains("\"state\":\"ready\""))
        }
    }

    @Test func aQuestionThatNobodyAnswersIsGivenUp() async throws {
        try await LiveServer.withClient { client in
            try await client.declareQueue("void")
            let late = await error {
                _ = try await client.request(OutgoingMessage("?"), to: .queue("void"), timeoutMilliseconds: 50)
            }
            #expect(late?.code == .timeout)
            #expect(
                late?.message == "no answer from 'void' within 50 ms; the question is stored and may still be answered")
        }
    }
}

/// The error of the library that `body` throws, if it does.
func error(_ body: () async throws -> Void) async -> ColaError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? ColaError
    }
}
