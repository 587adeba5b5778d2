import ArgumentParser
import ColaClient

/// `cola why`
struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say in one sentence why nothing moves in a queue, or where one message is.",
        discussion: """
              cola why orders
              cola why orders 0
              cola why orders 0 --priority 9
              cola why orders --json | jq .holders

            The first line is the sentence. Behind it, indented, stand the queue's consumers, each with what it waits \
            for, and the connections that have messages of it. An offset asks for one message; `cola peek --json` \
            shows offsets. In a queue with priorities each counts its own.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue.", completion: .queues)
    var queue: String

    @Argument(help: "The offset of one message.")
    var offset: Int64?

    @Option(name: .long, help: "Of a queue with priorities: the one that the offset is of, 0 to 255. (default: 0)")
    var priority: Int?

    @OptionGroup var display: DisplayOptions

    func validate() throws {
        if let offset, offset < 0 { throw ValidationError("an offset is 0 or more, not \(offset)") }
        if let priority, !(0...255).contains(priority) { throw ValidationError("--priority is 0 to 255") }
        if priority != nil, offset == nil {
            throw ValidationError(
                "--priority says which messages an offset counts: write `why \(queue) OFFSET --priority N`")
        }
    }

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let text = try await client.why(queue, offset: offset, priority: priority)
                if display.json { return .json(text) }
                let answer = try JSONValue(answer: text)
                return .lines((offset == nil ? ofQueue(answer) : ofMessage(answer)).map(Output.printable))
            }
        }
    }

    private func ofQueue(_ answer: JSONValue) -> [String] {
        let (ready, held) = (answer["ready"].cell, answer["unacknowledged"].cell)
        let because = answer["because"].cell
        let isUnattended = answer["consumers"].list.isEmpty && (answer["ready"].integer ?? 0) > 0
        let advice = isUnattended ? "; `cola consume --queue \(queue)` takes them" : ""
        let consumers = answer["consumers"].list.map { consumer in
            "  consumer \(consumer["consumer"].cell) has \(consumer["unacknowledged"].cell): "
                + consumer["because"].cell
        }
        let holders = answer["holders"].list.map { holder in
            "  connection \(name(of: holder)) holds \(holder["messages"].cell)"
        }
        return ["'\(queue)', \(ready) ready, \(held) unacknowledged: \(because)\(advice)"] + consumers + holders
    }

    private func ofMessage(_ answer: JSONValue) -> [String] {
        let priority = answer["priority"].integer.map { " of priority \($0)" } ?? ""
        let message = "message \(answer["offset"].cell)\(priority) of '\(queue)' is \(answer["state"].cell)"
        let sentence = "\(message): \(answer["because"].cell)"
        guard answer["connection"] != .null else { return [sentence] }
        return [
            sentence,
            "  connection \(name(of: answer)), consumer \(answer["consumer"].cell), "
                + "delivery \(answer["delivery"].cell)",
        ]
    }

    private func name(of holder: JSONValue) -> String {
        let client = holder["client"].text.map { $0.isEmpty ? "" : "\($0), " } ?? ""
        return "\(holder["connection"].cell) (\(client)\(holder["peer"].cell))"
    }
}
