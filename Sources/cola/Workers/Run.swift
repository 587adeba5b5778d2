import ArgumentParser
import ColaClient
import ColaServer
import ColaWorkers

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `cola run`
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program for each message of a queue, here, until ^C.",
        discussion: """
              cola run -q emails -- ./send.sh
              cola run -q reports --processes 0-8 --result-queue archive -- gzip -9
              cola run -q events --mode stream -- python3 worker.py
              cola run -q emails --set 'exit-codes={3: ack}' -- ./send.sh
              cola run --config workers.yaml

            The program is started on this machine, as you, in this directory and with your environment; the broker \
            may be anywhere. It gets the body as standard input and properties in its environment; exit code 0 \
            acknowledges, 75 asks for another attempt later, others reject. --set takes every setting that a worker \
            has in cola.yaml, by its name; --config runs all workers of such a file.

            What the programs write to standard error is printed to that of cola run, line by line, and so is \
            their standard output where that is neither a result nor answers; with WORKER/NUMBER before it if there \
            may be several processes.

            ^C or SIGTERM: no more messages, time for those in hand, then the programs are stopped, with everything \
            that they started. If the connection is lost, they are stopped at once, as the broker gives their messages \
            to others, and it is tried again.

            Exit code 0 after ^C, or with --until-empty when nothing is left to do.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Option(name: .shortAndLong, help: "The queue; made if it is not there.", completion: .queues)
    var queue: String?

    @Option(name: .long, help: "exec: a process for each message; stream: one that reads messages and answers.")
    var mode: String?

    @Option(name: .shortAndLong, help: "How many at a time: a number, or a range that follows what waits, such as 0-8.")
    var processes: String?

    @Option(name: .long, help: ArgumentHelp("Where standard output goes as a message.", valueName: "queue"))
    var resultQueue: String?

    @Option(name: .long, help: ArgumentHelp("How long a message may take, such as 30s.", valueName: "duration"))
    var timeLimit: String?

    @Option(name: .long, help: ArgumentHelp("Any other setting of a worker; repeat it.", valueName: "name=value"))
    var set: [String] = []

    @Option(name: .long, help: ArgumentHelp("Run the workers of this file.", valueName: "file"), completion: .file())
    var config: String?

    @Flag(name: .long, help: "Stop when nothing waits and nothing is in hand.")
    var untilEmpty = false

    @Argument(parsing: .postTerminator, help: ArgumentHelp("The program, behind --.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if config != nil {
            let others = [queue, mode, processes, resultQueue, timeLimit].compactMap { $0 } + set + command
            guard others.isEmpty else { throw ValidationError("--config says all of it: leave the rest out") }
        } else {
            guard queue != nil else { throw ValidationError("name the queue: cola run -q QUEUE -- COMMAND") }
            guard !command.isEmpty else {
                throw ValidationError("name the program behind --: cola run -q QUEUE -- COMMAND")
            }
        }
    }

    func run() async throws {
        let workers = try definitions()
        if let worker = workers.first(where: { $0.mode == .client }) {
            throw Failure(
                .badConfiguration,
                "worker \(worker.name) is of mode client, which connects by itself; only a broker runs it")
        }
        let options = try connection.resolved()
        try await withClients(of: Set(workers.map(\.virtualHost)).sorted()) { clients in
            try await declareQueues(of: workers, clients)
            let runner: WorkerRunner
            do {
                runner = try await WorkerRunner.start(
                    workers, for: server(try connection.resolvedURL(), options), folder: folder,
                    environment: ProcessInfo.processInfo.environment, logLevel: "warning", receive: printer(of: workers)
                )
            } catch let flaw as WorkerRunner.Flaw {
                throw Failure(.noInput, flaw.sentence)
            }
            let stopped = AsyncStream.makeStream(of: Int32.self)
            let signals = StopSignals { stopped.continuation.yield($0) }
            let watching = Task {
                defer { stopped.continuation.finish() }
                try await watch(workers, clients, runner)
            }
            let signal = await stopped.stream.first { _ in true }
            watching.cancel()
            try await runner.stop(withinMilliseconds: Self.stopMilliseconds)
            if signal == nil { try await watching.value }
            withExtendedLifetime(signals) {}
        }
    }

    /// A connection to look how much waits, in each virtual host; also if the broker was away meanwhile.
    private func withClients(
        of hosts: [String], _ opened: [String: Client] = [:], _ body: ([String: Client]) async throws -> Void
    ) async throws {
        guard let host = hosts.first else { return try await body(opened) }
        let reconnect = ReconnectPolicy(delayMillisecondsMax: 2_000)
        try await connection.withBroker(reconnect: reconnect, virtualHost: host) { client in
            try await withClients(of: Array(hosts.dropFirst()), opened.merging([host: client]) { $1 }, body)
        }
    }

    /// Makes those that are not there: what is published for a worker has a place, though none of its processes runs.
    private func declareQueues(of workers: [WorkerDefinition], _ clients: [String: Client]) async throws {
        for worker in workers {
            for name in worker.ownQueues {
                guard let client = clients[worker.virtualHost] else { continue }
                guard try await !isThere(.queue(name), client), try await !isThere(.topic(name), client) else {
                    continue
                }
                try await client.declareQueue(name)
            }
        }
    }

    private func isThere(_ subject: Client.Subject, _ client: Client) async throws -> Bool {
        do {
            _ = try await client.describe(subject)
            return true
        } catch let error as ColaError where error.code == .notFound {
            return false
        }
    }

    /// For messages in hand, and then for the programs to end.
    private static let stopMilliseconds: Int64 = 20_000

    private var folder: String {
        guard let config else { return FileManager.default.currentDirectoryPath }
        let path = URL(filePath: config).standardizedFileURL.deletingLastPathComponent().path
        return path.isEmpty ? "/" : path
    }

    private func server(_ url: ColaURL, _ options: ClientOptions) -> WorkerRunner.Server {
        let address: WorkerRunner.Server.Address =
            switch url.address {
            case .unix(let path): .unix(path: path)
            case .tcp(let host, let port): .tcp(host: host, port: port)
            }
        return WorkerRunner.Server(
            address: address, url: url.description, user: options.user, password: options.password)
    }

    /// Prints what the programs write.
    private func printer(of workers: [WorkerDefinition]) -> @Sendable ([WorkerRunner.Line]) -> Void {
        let isAlone = workers.count == 1 && workers.allSatisfy { $0.processes.upperBound == 1 }
        return { lines in
            var output = Output(descriptor: 2)
            for line in lines {
                let text = LogPicture.printable(line.text, isCut: line.isCut)
                output.line(isAlone ? text : "\(line.worker)/\(line.instance) | \(text)")
            }
            // Nobody can be told if that fails.
            try? output.flush()
        }
    }

    // MARK: What waits

    /// Tells the runner what waits, as long as it goes on; ends when there is nothing left, if that is asked for.
    private func watch(_ workers: [WorkerDefinition], _ clients: [String: Client], _ runner: WorkerRunner) async throws
    {
        let scaled = workers.filter { $0.isScaled || untilEmpty }
        guard !scaled.isEmpty else { return try await Task.sleep(for: .seconds(Int64(Int32.max))) }
        var emptyLooks = 0
        while true {
            var waiting = 0
            var isKnown = true
            for worker in scaled {
                guard let queue = worker.queue, let client = clients[worker.virtualHost] else { continue }
                guard let row = try await row(of: queue, client) else {
                    isKnown = false
                    continue
                }
                let ready = row["ready"].integer ?? 0
                waiting += Int(ready)
                runner.note(
                    ready: Int(ready), oldestMilliseconds: row["oldest-ms"].integer ?? 0, of: queue,
                    in: worker.virtualHost)
            }
            let activity = try await runner.activity()
            emptyLooks = isKnown && waiting == 0 && activity.messages == 0 ? emptyLooks + 1 : 0
            if untilEmpty, emptyLooks >= 3 { return }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// What is known of a queue; nothing is in one that is not there. Nil: the broker is away.
    ///
    /// - Throws: ``ColaError``: looking will never succeed.
    private func row(of queue: String, _ client: Client) async throws -> JSONValue? {
        do {
            return try JSONValue(answer: try await client.describe(.queue(queue)))
        } catch let error as ColaError {
            switch error.code {
            case .notFound: return .null
            case .connectionLost, .unreachable, .timeout: return nil
            default:
                guard error.isRetryable else { throw error }
                return nil
            }
        }
    }

    // MARK: Definitions

    private func definitions() throws -> [WorkerDefinition] {
        do {
            guard let config else {
                let yaml = try definition().yaml
                return try Settings(arguments: ["--config", "the command line"], environment: [:]) { _ in yaml }.workers
            }
            let settings = try Settings(arguments: ["--config", config], environment: [:], read: Serve.readIfPresent)
            guard !settings.workers.isEmpty else { throw Failure(.badConfiguration, "\(config) defines no workers") }
            return settings.workers
        } catch let wrong as Settings.Wrong {
            throw Failure(config == nil ? .usage : .badConfiguration, wrong.description)
        }
    }

    /// The command line as the file has it.
    private func definition() throws -> RunDefinition {
        var definition = RunDefinition(command: command)
        let options = [
            ("queue", queue), ("mode", mode), ("processes", processes), ("result-queue", resultQueue),
            ("time-limit", timeLimit), ("vhost", try connection.resolved().virtualHost),
        ]
        for (name, value) in options {
            if let value { definition.set(name, to: value) }
        }
        for text in set {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw ValidationError("'\(text)' is no setting: write --set NAME=VALUE")
            }
            definition.set(path: parts[0].split(separator: ".").map(String.init), toYAML: parts[1])
        }
        return definition
    }
}
