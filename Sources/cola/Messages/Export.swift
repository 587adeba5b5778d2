import ArgumentParser
import ColaClient
import NIOCore

/// `cola export`
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print every message of a queue or topic as JSON Lines, without taking any.",
        discussion: """
            One JSON object a line with body, key, headers and properties, for `cola import`, in the order of \
            delivery. A body or key that is not UTF-8 stands under body_base64 or key_base64, the value of such a \
            header is {"base64":"…"}, and a header that repeats has an array of values. What was published with \
            AMQP has its properties under "amqp", with the types of its headers where JSON has no such: {"I":5} by \
            AMQP's letters (b B s u I i l integers, f d floating point, D [scale,value], T seconds, x bytes and S text \
            that is not UTF-8 in base64, F a table), or as a whole {"base64":"…"}.

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
            var hasDamage = false
            switch try await Container.find(name, client) {
            case .queue: try await export(partition: nil, from: nil, client, &left, &hasDamage)
            case .topic(let shape):
                for partition in shape.partitions where left > 0 {
                    let first = BrowsePosition(offset: partition.first)
                    try await export(partition: partition.number, from: first, client, &left, &hasDamage)
                }
            }
            if left == count ?? .max { Output.note("there are no messages in '\(name)'") }
            if hasDamage {
                throw Failure(.badData, "not all of '\(name)' is in the output: stored messages failed their check")
            }
        }
    }

    private func export(
        partition: Int?, from first: BrowsePosition?, _ client: Client, _ left: inout Int, _ hasDamage: inout Bool
    ) async throws {
        var position = first
        while left > 0 {
            let page = try await client.browse(
                name, from: position, count: min(left, 1000), partition: partition)
            try write(page.messages, partitioned: partition != nil, &left)
            hasDamage = hasDamage || page.hasDamage
            guard let next = page.next else { return }
            position = next
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
