import ArgumentParser
import ColaClient

/// `cola workers show`
struct WorkerShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show everything that is known of a worker, or of one of its processes.",
        discussion: """
              cola workers show resize
              cola workers show resize/7 --watch 1
              cola workers show resize --json | jq .definition

            Of a worker: its definition, its instances, and how often they went from one state to another. Of an \
            instance: what it does and why, and what the kernel says of its process: parent, group and session, time \
            on processors, memory, files, switches, what it waits for, limits; and the last lines that it wrote. Names \
            ending in -ms are milliseconds.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The worker, or WORKER/NUMBER.", completion: .workers, transform: WorkerTarget.init)
    var target: WorkerTarget

    @OptionGroup var display: DisplayOptions

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let text = try await client.describe(subject)
                return display.json ? .json(text) : .lines(try JSONValue(answer: text).outline().map(Output.printable))
            }
        }
    }

    private var subject: Client.Subject {
        target.instance.map { .instance(worker: target.worker, number: $0) } ?? .worker(target.worker)
    }
}
