import ArgumentParser
import ColaClient
import NIOCore

/// `cola export`
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print every message of a queue or topic as JSON Lines, without taking any.",
        discussion: """
            One JSON object a line with body, key, headers and properties, for `cola import`. A body or key that is \
            not UTF-8 stands under body_base64 or key_base64, and a header that repeats has an array of values.

              cola export orders > orders.jsonl
              cola export events --count 100 | jq -r .body
              cola export hello | cola import texts

            What is put in or taken out while it runs may be in the output or not.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue or topic.", completion: .names)
    var name: String

    @Option(name: .shortAndLong, help: "Stop after so many messages.")
    var count: Int?

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is 1 or more") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            var left = count ?? .max
            switch try await Container.find(name, client) {
            case .queue(let description): try await export(queue: description, client, &left)
            case .topic(let shape):
                for partition in shape.partitions where left > 0 {
                    try await export(partition: partition.number, from: partition.first, client, &left)
                }
            }
            if left == count ?? .max { Output.note("there are no messages in '\(name)'") }
        }
    }

    private func export(queue description: JSONValue, _ client: Client, _ left: inout Int) async throws {
        guard description["priorities"].list.count > 1 else {
            return try await export(partition: nil, from: 0, client, &left)
        }
        // Offsets mean something within one priority: what does not come at once cannot be asked for.
        let messages = try await client.peek(name, count: min(left, 1000))
        let bytes = messages.reduce(0) { $0 + $1.body.readableBytes }
        guard messages.count < 1000 || left <= 1000, bytes < 16 << 20 else {
            throw Failure(
                .refused,
                "'\(name)' has priorities and more than 1000 messages or 16 MiB, which cannot be looked through in "
                    + "their order; take fewer with --count")
        }
        try write(messages, partitioned: false, &left)
    }

    private func export(
        partition: Int?, from first: Int64, _ client: Client, _ left: inout Int
    ) async throws {
        var next = first
        while left > 0 {
            let count = min(left, 1000)
            let messages = try await client.peek(name, partition: partition ?? 0, from: next, count: count)
            guard let last = messages.last else { return }
            try write(messages, partitioned: partition != nil, &left)
            guard last.offset < .max else { return }
            next = last.offset + 1
        }
    }

    private func write(_ messages: [StoredMessage], partitioned: Bool, _ left: inout Int) throws {
        var output = Output.standard()
        for message in messages {
            output.append { MessageRecord.append(message, partitioned: partitioned, to: &$0) }
            if output.pending.count >= 1 << 20 { try output.flush() }
        }
        try output.flush()
        left -= messages.count
    }
}

/// A queue or a topic, whichever has the name.
enum Container {
    /// With what the broker says of it.
    case queue(JSONValue)
    case topic(TopicShape)

    static func find(_ name: String, _ client: Client) async throws -> Container {
        do {
            return .queue(try JSONValue(answer: try await client.describe(.queue(name))))
        } catch let error as ColaError where error.code == .notFound {
            do {
                return .topic(TopicShape(try JSONValue(answer: try await client.describe(.topic(name)))))
            } catch let other as ColaError where other.code == .notFound {
                throw Failure(
                    .refused,
                    "there is no queue or topic '\(name)'; see `cola queues` and `cola topics`, or make one with "
                        + "`cola declare queue \(name)`")
            }
        }
    }
}
