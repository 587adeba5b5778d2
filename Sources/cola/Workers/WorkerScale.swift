import ArgumentParser
import ColaClient

/// `cola workers scale`
struct WorkerScale: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Give a worker another number of processes, until its settings are read again.",
        discussion: """
              cola workers scale resize 4
              cola workers scale resize 1-8

            With a range the broker takes more of them when messages wait for long, and fewer when there is nothing to \
            do. A process with a message in hand finishes it before it goes.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The worker.", completion: .workers)
    var worker: String

    @Argument(
        help: ArgumentHelp("How many processes: a number, or a range such as 1-8.", valueName: "processes"),
        transform: Self.range)
    var processes: ClosedRange<Int>

    func run() async throws {
        try await connection.withBroker { client in
            try await client.control(worker: worker, .scale(processes))
        }
    }

    private static func range(_ text: String) throws -> ClosedRange<Int> {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { digits in
            digits.allSatisfy { ("0"..."9").contains($0) } ? Int(digits) : nil
        }
        guard let first = ends.first, let least = first, ends.count <= 2, let most = ends[ends.count - 1], least <= most
        else { throw ValidationError("'\(text)' is neither a number of processes nor a range such as 1-8") }
        return least...most
    }
}
