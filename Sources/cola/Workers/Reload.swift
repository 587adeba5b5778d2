import ArgumentParser
import ColaClient

/// `cola reload`
struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have the broker read its configuration again.",
        discussion: """
              cola reload --dry-run
              cola reload

            Prints what is different in the broker's cola.yaml since it was read last. Workers go by it from then on: \
            only those are started or stopped that were added or removed, and only where a process has to be another \
            for a change is it replaced, one after the other, each after its messages in hand. New connections get the \
            certificates that tls-certificate, tls-key and tls-ca hold now. Other settings hold after the next start \
            of the broker. SIGHUP does the same, and says it in the log.

            What is wrong in the file, or with a certificate or key, leaves everything as it is, and is an error \
            (exit code 78).
            """)

    @OptionGroup var connection: ConnectionOptions

    @Flag(name: .long, help: "Print what would change, and change nothing.")
    var dryRun = false

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let answer: String
        do {
            answer = try await connection.withBroker { try await $0.reload(isDryRun: dryRun) }
        } catch let error as ColaError where error.code == .configuration {
            throw Failure(.badConfiguration, error.message)
        }
        guard !json else { return try Output.print(answer) }
        let lines = Self.lines(try JSONValue(answer: answer))
        guard !lines.isEmpty else { return Output.note("nothing has changed in the configuration") }
        for line in lines { try Output.print(Output.printable(line)) }
        if dryRun { Output.note("dry run: nothing was changed") }
    }

    private static func lines(_ answer: JSONValue) -> [String] {
        answer["workers"].list.flatMap { worker in
            ["worker \(worker["name"].cell): \(worker["change"].cell)"]
                + worker["settings"].list.map { change in
                    let effect = change["restart"] == .truth(true) ? "processes are replaced" : "holds at once"
                    return "  \(Self.change(change)) (\(effect))"
                }
        }
            + answer["settings"].list.map { change in
                let effect = change["restart"] == .truth(true) ? "after the broker's next start" : "holds at once"
                return "setting \(Self.change(change)) (\(effect))"
            }
            + (answer["certificates"] == .truth(true) ? ["certificates: others are in the files (hold at once)"] : [])
    }

    private static func change(_ change: JSONValue) -> String {
        let (old, new) = (change["old"].text ?? "default", change["new"].text ?? "default")
        return "\(change["name"].cell): \(old) -> \(new)"
    }
}
