import ArgumentParser
import ColaClient

/// `cola workers nice`
struct WorkerNice: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nice",
        abstract: "Set the niceness of processes that run, until they are started again.",
        discussion: """
              cola workers nice resize 10
              cola workers nice resize/7 -- -5

            From -20, which goes before all others, to 19, which gives way to all; NICE of `cola ps` shows it. It is \
            that of a process and all in its group. For those that are started later, write `nice` into their \
            definition. To lower one takes a broker that runs as root, or a limit that allows it.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The worker, or WORKER/NUMBER.", completion: .workers, transform: WorkerTarget.init)
    var target: WorkerTarget

    @Argument(help: "From -20 to 19; one that begins with - is written behind --.")
    var niceness: Int

    func validate() throws {
        guard (-20...19).contains(niceness) else { throw ValidationError("a niceness is -20 to 19") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            try await client.control(worker: target.worker, .nice(niceness), instance: target.instance)
        }
    }
}
