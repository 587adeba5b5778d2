import ArgumentParser
import ColaClient

/// `cola workers kill`
struct WorkerKill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill",
        abstract: "End processes by force, or send them a signal.",
        discussion: """
              cola workers kill resize/7
              cola workers kill resize --signal USR1

            Without --signal a process ends at once, with every descendant; the message in its hand goes back and \
            counts as one failed attempt more. Whether it is started again, its definition says: to have it stay away \
            use `cola workers stop`.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "Workers, or WORKER/NUMBER.", completion: .workers, transform: WorkerTarget.init)
    var targets: [WorkerTarget]

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("A signal such as TERM, SIGUSR1 or 15. (default: the end by force)", valueName: "signal"))
    var signal: String?

    func run() async throws {
        try await connection.withBroker { client in
            for target in targets {
                try await client.control(worker: target.worker, .kill(signal: signal), instance: target.instance)
            }
        }
    }
}
