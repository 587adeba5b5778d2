import ArgumentParser

/// `cola`: the broker and everything that talks to it, in one executable.
///
/// Results go to standard output, everything else to standard error; an error is one line that says what to do next,
/// and the exit code says what kind it was (``Failure``).
@main struct Cola: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cola",
        abstract: "A message broker in one small process.",
        discussion: """
            Start a broker, make a queue, publish and consume:

              cola serve &
              cola declare queue hello
              cola publish --queue hello 'first message' 'second message'
              cola consume --queue hello

            Commands reach the broker at --url or COLA_URL, else through ./cola-data/cola.sock.

            Exit codes: 0 done, 1 refused by the broker, 64 wrong usage, 69 no broker reached, \
            70 a bug or a failed disk, \
            75 may succeed if tried again, 77 not permitted.
            """,
        subcommands: [
            Serve.self, Health.self, Publish.self, Consume.self, Peek.self, Queues.self, Declare.self, Delete.self,
            Bind.self, Unbind.self, Purge.self, Check.self, Bench.self,
        ])

    static func main() async {
        ignoreBrokenPipes()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Failure.exit(with: error)
        }
    }
}
