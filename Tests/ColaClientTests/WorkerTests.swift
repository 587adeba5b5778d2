import ColaClient
import Testing

/// Looking at workers and steering them, where a server has none.
@Suite(.timeLimit(.minutes(5))) struct WorkerTests {
    @Test func theServerIsAmongTheProcessesAndHasNoWorkers() async throws {
        try await LiveServer.withClient { client in
            let (workers, processes) = (try await client.list(.workers), try await client.list(.processes))
            #expect(workers == "[]" && processes.hasPrefix("[{\"name\":\"cola\","))
        }
    }

    @Test(arguments: [
        Client.WorkerOperation.start, .stop, .restart, .scale(2...2), .scale(0...4), .pause, .resume, .kill(),
        .kill(signal: "TERM"), .nice(-5),
    ])
    func whatIsNotThereIsNotFound(operation: Client.WorkerOperation) async throws {
        try await LiveServer.withClient { client in
            let error = await #expect(throws: ColaError.self) {
                try await client.control(worker: "resize", operation, instance: 7)
            }
            #expect(error?.code == .notFound && error?.message.contains("`workers:`") == true)
            for subject in [Client.Subject.worker("resize"), .instance(worker: "resize", number: 7)] {
                let error = await #expect(throws: ColaError.self) { try await client.describe(subject) }
                #expect(error?.code == .notFound)
            }
        }
    }

    @Test func aTokenThatNobodyGaveIsRefusedAndPrintedNowhere() async throws {
        let options = ClientOptions(user: "ana", password: "canary-1", token: "canary-2", name: "resize")
        for text in ["\(options)", String(reflecting: options)] { #expect(!text.contains("canary"), "\(text)") }
        var dumped = ""
        dump(options, to: &dumped)
        #expect(!dumped.contains("canary") && dumped.contains("resize"))
        try await LiveServer.run { server in
            let error = await #expect(throws: ColaError.self) {
                try await Client.connect(url: server.url, options: ClientOptions(token: "5e5e"))
            }
            #expect(error?.code == .unauthenticated)
            #expect(error?.message.contains("the token is wrong") == true)
        }
    }

    @Test func whatWorkersWriteIsNotThereWithoutThem() async throws {
        var query = Client.OutputQuery()
        query.worker = "resize"
        query.instance = 7
        query.from = "3-1200"
        query.count = 5
        query.sinceMilliseconds = 1
        query.stream = .err
        query.waitMilliseconds = 1_000
        for query in [query, Client.OutputQuery()] {
            try await LiveServer.withClient { client in
                let error = await #expect(throws: ColaError.self) { try await client.workerOutput(query) }
                #expect(error?.code == .notFound && error?.message.contains("`workers:`") == true)
            }
        }
    }
}
