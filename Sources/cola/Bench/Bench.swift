import ArgumentParser
import ColaClient
import ColaNative
import NIOCore
import NIOPosix
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `cola bench`
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a broker under load.",
        discussion: """
            Without --url (COLA_URL does not count) it starts a broker of its own on a temporary folder, measures it, \
            and removes everything. Each producer publishes with a window of unconfirmed messages; each consumer \
            acknowledges what it takes.

              cola bench
              cola bench --size 16 --producers 4 --consumers 4 --queues 4 --seconds 10
              cola bench --rate 1000 --seconds 30          # latency at a fixed rate
              cola bench --consumers 0 --count 1000000     # publishing alone
              cola bench --drain --count 1000000           # publish all, then consume all
              cola bench --rate 10000 --consume-rate 2000  # a backlog grows, and is drained then
              cola bench --producers 100 --consumers 100 --queues 100
              cola bench --null                            # what the load generator and sockets alone can do
              cola bench --storage --size 16               # the store, without a broker

            confirm is the time from when a message was due to its confirm, delivery to its arrival at a consumer. CPU \
            is user and system time of the whole process, shared out over the messages; with --null the server's is \
            among the client's. backlog is the most messages that were confirmed and not consumed. elided, where the \
            broker counts them, are records that were acknowledged before they had to be written.
            """)

    @Option(
        name: .long, help: "Measure this broker instead of one of its own. It makes queues bench-N and deletes them.")
    var url: String?

    @Option(name: .long, help: "Name to log in with over TCP. (default: COLA_USER, else guest)")
    var user: String?

    @Option(name: .long, help: "Password for --user. (default: COLA_PASSWORD)")
    var password: String?

    @Option(name: .long, help: "Connections that publish.")
    var producers = 1

    @Option(name: .long, help: "Connections that consume.")
    var consumers = 1

    @Option(name: .long, help: "Queues; each producer publishes to all in turn.")
    var queues = 1

    @Option(name: .long, help: "Bytes of a body. From 8 on the delivery is timed.")
    var size = 1024

    @Option(name: .long, help: "Publish so many messages in all, instead of for --seconds.")
    var count: Int?

    @Option(name: .long, help: "Publish for so long.")
    var seconds = 5.0

    @Option(name: .long, help: "Publish so many messages a second in all, instead of as many as go.")
    var rate: Double?

    @Option(
        name: .long,
        help: "Consume so many messages a second in all while messages are published; what is left then at full speed.")
    var consumeRate: Double?

    @Option(name: .long, help: "Messages that a producer may have unconfirmed.")
    var window = 1000

    @Option(name: .long, help: "Messages that a consumer may have unacknowledged.")
    var prefetch = 1000

    @Option(name: .long, help: "Acknowledge so many at once; fewer when nothing more is there.")
    var ackBatch = 100

    @Flag(name: .long, help: "Consume only after everything is published.")
    var drain = false

    @Option(
        name: .long,
        help: ArgumentHelp("Where the broker's own folder is made. (default: TMPDIR, else /tmp)", valueName: "path"))
    var dir: String?

    @Option(
        name: .customLong("serve-option"),
        help: ArgumentHelp("An option for the broker of its own, such as durability=relaxed.", valueName: "name=value"))
    var serveOptions: [String] = []

    @Flag(name: .long, help: "Measure the store alone: --size, --chunk, --seconds and --dir count, nothing else.")
    var storage = false

    @Option(name: .long, help: "With --storage: bytes of bodies in one commit.")
    var chunk = 262_144

    @Option(
        name: .long,
        help: "With --storage: commit so many messages each by itself, --window at a time, and start on what is there.")
    var backlog: Int?

    @Flag(name: .long, help: "Measure against a server that parses and answers but stores nothing, in this process.")
    var null = false

    @Flag(name: .long, help: "One line of JSON.")
    var json = false

    func validate() throws {
        guard (0...1000).contains(producers), (0...1000).contains(consumers), producers + consumers > 0 else {
            throw ValidationError("--producers and --consumers are 0 to 1000, and one of them is over 0")
        }
        guard (1...100_000).contains(queues) else { throw ValidationError("--queues is 1 to 100000") }
        guard (0...(1 << 30)).contains(size) else { throw ValidationError("--size is 0 to 1073741824 bytes") }
        if let count, count < 1 { throw ValidationError("--count is 1 or more") }
        guard seconds > 0, seconds <= 86_400 else { throw ValidationError("--seconds is over 0 and at most 86400") }
        if let rate, !(rate > 0 && rate <= 1e8) { throw ValidationError("--rate is over 0 and at most 100000000") }
        if let consumeRate, !(consumeRate > 0 && consumeRate <= 1e8) {
            throw ValidationError("--consume-rate is over 0 and at most 100000000")
        }
        if consumeRate != nil, producers == 0 || consumers == 0 || drain {
            throw ValidationError("--consume-rate needs producers and consumers at the same time")
        }
        guard (1...1_000_000).contains(window) else { throw ValidationError("--window is 1 to 1000000") }
        guard (1...65_535).contains(prefetch) else { throw ValidationError("--prefetch is 1 to 65535") }
        guard (1...prefetch).contains(ackBatch) else { throw ValidationError("--ack-batch is 1 to --prefetch") }
        if producers == 0, url == nil { throw ValidationError("without producers there must be a broker with --url") }
        if drain, producers == 0 || consumers == 0 { throw ValidationError("--drain needs producers and consumers") }
        guard (1...(64 << 20)).contains(chunk) else { throw ValidationError("--chunk is 1 to 67108864 bytes") }
        for option in serveOptions where !option.contains("=") {
            throw ValidationError("'\(option)' is not an option; write --serve-option NAME=VALUE")
        }
    }

    func run() async throws {
        if storage { return try measureStorage() }
        if null { return try await runAgainstNull() }
        if let url { return try await measure(ColaURL(url), broker: nil) }
        let folder = try TemporaryFolder(in: dir)
        defer { folder.remove() }
        let arguments = serveOptions.flatMap { option -> [String] in
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return ["--\(parts[0])", String(parts[1])]
        }
        let broker = try ServedBroker(folder: folder.path, arguments: arguments)
        defer { broker.stop() }
        // A stopped broker ends the measurement, and that puts everything away, once.
        let interrupted = Mutex<Int32?>(nil)
        let signals = StopSignals { number in
            interrupted.withLock { $0 = number }
            broker.requestStop()
        }
        defer { withExtendedLifetime(signals) {} }
        do {
            try await measure(broker.url, broker: broker.process)
        } catch {
            guard let number = interrupted.withLock({ $0 }) else { throw error }
            throw ExitCode(128 + number)
        }
    }

    private func measureStorage() throws {
        let folder = try TemporaryFolder(in: dir)
        defer { folder.remove() }
        if let backlog {
            let report = try StorageBench.runBacklog(
                in: folder.path, messages: max(0, backlog), messageBytes: size, window: window)
            return try Output.print(json ? StorageBench.json(report, size: size) : StorageBench.text(report))
        }
        let bench = StorageBench(folder: folder.path, messageBytes: size, chunkBytes: chunk, seconds: seconds)
        let report = try bench.run()
        try Output.print(json ? StorageBench.json(report, size: size, chunk: chunk) : StorageBench.text(report))
    }

    private func runAgainstNull() async throws {
        let folder = try TemporaryFolder(in: dir)
        defer { folder.remove() }
        let path = "\(folder.path)/null.sock"
        let progress = BenchProgress()
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        defer { pool.shutdownGracefully { _ in } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            let ready = BenchProgress()
            group.addTask {
                try await pool.runIfActive {
                    let server = try NullServer(path: path) { progress.shouldStop }
                    ready.stop()
                    server.run()
                }
            }
            defer { progress.stop() }
            while !ready.shouldStop { try await Task.sleep(for: .milliseconds(1)) }
            try await measure(ColaURL(.unix(path: path)), broker: nil)
            progress.stop()
        }
    }

    private func measure(_ url: ColaURL, broker: pid_t?) async throws {
        let plan = plan(url)
        var control = try plan.connect()
        if producers > 0 { for queue in plan.queues { try control.ask(.declareQueue(queue)) } }
        let waiting = producers > 0 ? 0 : try await self.waiting(plan)
        let process = try broker ?? (null ? nil : ProcessUsage.peer(of: url))
        let run = BenchRun(plan: plan, broker: process, drainsAfterwards: drain, waiting: waiting)
        let elidedBefore = try await elided(plan)
        var report: BenchReport
        do {
            report = try await run.run()
        } catch {
            for queue in plan.queues { try? control.ask(.delete(kind: "queue", name: queue)) }
            throw error
        }
        if let elidedBefore, let after = try await elided(plan) { report.elided = after - elidedBefore }
        // What a later run with --producers 0 is to drain stays.
        if consumers > 0 { for queue in plan.queues { try control.ask(.delete(kind: "queue", name: queue)) } }
        try Output.print(json ? report.json : report.text)
    }

    private func plan(_ url: ColaURL) -> BenchPlan {
        var hello = ClientRequest.Hello()
        hello.client = "cola bench"
        if case .tcp = url.address {
            hello.user = user ?? environment("COLA_USER") ?? "guest"
            hello.password = password ?? environment("COLA_PASSWORD") ?? "guest"
        }
        return BenchPlan(
            url: url, hello: hello, producers: producers, consumers: consumers,
            queues: (0..<queues).map { "bench-\($0)" }, bodyBytes: size, count: count, seconds: seconds, rate: rate,
            consumeRate: consumeRate, window: window, prefetch: prefetch, ackBatch: ackBatch)
    }

    /// How many messages lie in the queues: a declare says it.
    private func waiting(_ plan: BenchPlan) async throws -> Int {
        try await withClient(url: plan.url, options: options(plan)) { client in
            var sum = 0
            for queue in plan.queues { sum += try await client.declareQueue(queue) }
            return sum
        }
    }

    /// How many records the broker did not have to write so far; nil if it does not say.
    private func elided(_ plan: BenchPlan) async throws -> Int? {
        struct Statistics: Decodable { var elided: Int? }
        if null { return nil }
        let text = try await withClient(url: plan.url, options: options(plan)) { try await $0.stat() }
        return try? JSONDecoder().decode(Statistics.self, from: Data(text.utf8)).elided
    }

    private func options(_ plan: BenchPlan) -> ClientOptions {
        var options = ClientOptions(user: plan.hello.user, password: plan.hello.password)
        options.name = "cola bench"
        return options
    }
}
