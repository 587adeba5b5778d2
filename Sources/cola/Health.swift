import ArgumentParser
import ColaClient

/// `cola health`
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask whether the broker serves.",
        discussion: """
            Connects, says hello and waits for an answer. Exit code 0 if it came, 69 if not. With --wait it tries \
            again until there is a broker, which may still be starting.

              cola health && echo it serves
              cola health --wait 30
              cola health --url tcp://localhost:7672
            """)

    @OptionGroup var connection: ConnectionOptions

    @Option(name: .long, help: "Seconds to wait for each answer.")
    var timeout = 5.0

    @Option(name: .long, help: "Seconds to try again where no broker is reached.")
    var wait = 0.0

    func validate() throws {
        guard (0...86_400).contains(wait) else { throw ValidationError("--wait is 0 to 86400 seconds") }
        guard timeout > 0, timeout <= 3600 else {
            throw ValidationError("--timeout is over 0 and at most 3600 seconds")
        }
    }

    func run() async throws {
        let deadline = monotonicNanoseconds() + Int64(wait * 1e9)
        while true {
            do {
                return try await ask()
            } catch let error as ColaError where error.code == .unreachable && monotonicNanoseconds() < deadline {
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func ask() async throws {
        let url = try connection.resolvedURL()
        let milliseconds = Int(timeout * 1000)
        let server = try await connection.withBroker(timeoutMilliseconds: milliseconds) { client in
            try await withTimeout(milliseconds: milliseconds, "the broker at \(url) did not answer to 'ping'") {
                try await client.ping()
            }
            return client.server.server
        }
        try Output.print("ok \(server) at \(url)")
    }
}

/// Runs `body`, and gives it up after that time.
/// - Throws: ``Failure`` with exit code 69 and the message when the time is over.
func withTimeout(milliseconds: Int, _ message: String, _ body: @escaping @Sendable () async throws -> Void) async throws
{
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .milliseconds(milliseconds))
            throw Failure(.unavailable, message)
        }
        defer { group.cancelAll() }
        try await group.next()
    }
}
