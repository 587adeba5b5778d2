import ArgumentParser
import ColaClient

/// `cola logs`
struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what workers write, and what they go on to write.",
        discussion: """
              cola logs
              cola logs resize -n 100
              cola logs resize/7 --follow
              cola logs resize --since 10min --stream err
              cola logs resize --json | jq -r .line

            Each line with its time, process, message (queue, offset, attempt) and stream. The last lines come \
            from the broker's memory, more of them from the files in the folder logs of its data directory. What is \
            published as a result is no line. Of what a worker writes too fast lines are left out, and counted in \
            their place. Only administrators may look.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The worker, or WORKER/NUMBER. (default: all)", completion: .workers, transform: WorkerTarget.init)
    var target: WorkerTarget?

    @Option(
        name: [.customShort("n"), .long],
        help: "How many of the last lines. (default: 10; with --since all, at most \(Self.linesMost))")
    var lines: Int?

    @Flag(name: .shortAndLong, help: "Go on with what comes, also when the broker is started again.")
    var follow = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Only from then on: so long ago, such as 10min or 2h, or a time such as 2026-11-22T18:00:00Z.",
            valueName: "when"),
        transform: LogStart.init)
    var since: LogStart?

    @Option(
        name: .long, help: ArgumentHelp("Only what was written to one of them.", valueName: "out|err"),
        completion: .list(["out", "err"]), transform: Self.stream)
    var stream: Client.OutputQuery.Stream?

    @Flag(name: .long, help: "Print one JSON object a line.")
    var json = false

    private static let linesMost = 10_000
    /// How long one look waits for lines.
    private static let waitMilliseconds = 30_000

    func validate() throws {
        if let lines, !(0...Self.linesMost).contains(lines) {
            throw ValidationError("--lines is 0 to \(Self.linesMost)")
        }
    }

    func run() async throws {
        var query = Client.OutputQuery()
        query.worker = target?.worker
        query.instance = target?.instance
        query.stream = stream
        query.sinceMilliseconds = since?.milliseconds
        query.count = lines ?? (since == nil ? nil : Self.linesMost)
        let policy = follow ? ReconnectPolicy(delayMillisecondsMax: 2_000) : nil
        try await connection.withBroker(reconnect: policy) { client in
            var picture = LogPicture(isJSON: json)
            query.from = try picture.show(try await client.workerOutput(query))
            if !follow, picture.isEmpty, lines != 0 {
                let who = target.map { "'\($0.name)' has" } ?? "workers have"
                return Output.note("\(who) written nothing\(since == nil && stream == nil ? "" : " of that kind") yet")
            }
            query.count = Self.linesMost
            query.waitMilliseconds = Self.waitMilliseconds
            while follow {
                do {
                    query.from = try picture.show(try await client.workerOutput(query))
                } catch let error as ColaError where Self.isOfConnection(error) {
                    // What was asked for is lost with it, and is asked for again over the next one.
                    continue
                }
            }
        }
    }

    private static func stream(_ text: String) throws -> Client.OutputQuery.Stream {
        guard let stream = Client.OutputQuery.Stream(rawValue: text) else {
            throw ValidationError("there is no stream '\(text)', but out and err")
        }
        return stream
    }

    private static func isOfConnection(_ error: ColaError) -> Bool {
        error.code == .connectionLost || error.code == .shuttingDown
    }
}
