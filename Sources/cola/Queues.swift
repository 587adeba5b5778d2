import ArgumentParser
import ColaClient

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `cola queues`
struct Queues: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the queues.",
        discussion: """
            Sorted by name; topics are not among them. READY wait for a consumer, UNACKED are handed out and not \
            acknowledged.

              cola queues
              cola queues --json | jq -r '.[] | select(.ready > 1000) | .name'

            With --json, one array with an object per queue; members may be added, never renamed.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Flag(name: .long, help: "Print JSON for scripts instead of a table for people.")
    var json = false

    func run() async throws {
        let text = try await connection.withBroker { client in try await client.list(.queues) }
        if json { return try Output.print(text) }
        let rows: [QueueSummary]
        do {
            rows = try JSONDecoder().decode([QueueSummary].self, from: Data(text.utf8))
        } catch {
            throw Failure(.internalError, "the broker's list of queues cannot be read: \(error)")
        }
        try Output.print(Table(rows).description)
    }
}
