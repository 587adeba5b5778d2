import ArgumentParser
import ColaClient

/// `cola tail`
struct Tail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the last records of a topic, and those that come.",
        discussion: """
              cola tail events --no-follow
              cola tail events --lines 100 --json --follow
              cola tail events -n 0 --follow | grep --line-buffered login

            Reading a topic takes nothing away. Of several partitions the records are in the order in which the \
            broker took them in, as far as its clock tells.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The topic.", completion: .topics)
    var topic: String

    @Option(name: [.customShort("n"), .long], help: "How many of the last records.")
    var lines = 10

    @Flag(name: .shortAndLong, inversion: .prefixedNo, help: "Go on with what comes.")
    var follow = true

    @Flag(name: .long, help: "Print one JSON object a record, with its partition, offset, key and headers.")
    var json = false

    func validate() throws {
        guard (0...100_000).contains(lines) else { throw ValidationError("--lines is 0 to 100000") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            let shape = try TopicShape(JSONValue(answer: try await client.describe(.topic(topic))))
            // Begun before the last records are read, so that nothing comes between; what comes twice is passed over.
            let deliveries = follow ? try await client.consume(topic, from: "next") : nil
            var printed: [Int: Int64] = [:]
            var output = Output.standard()
            for record in try await last(of: shape, client) {
                printed[record.partition] = record.offset
                append(record, to: &output)
                if output.pending.count >= 65_536 { try output.flush() }
            }
            try output.flush()
            guard let deliveries else {
                if printed.isEmpty, lines > 0 { Output.note("there are no records in '\(topic)'") }
                return
            }
            for try await delivery in deliveries {
                if delivery.message.offset > printed[delivery.message.partition] ?? -1 {
                    append(delivery.message, to: &output)
                }
                if !deliveries.isReady || output.pending.count >= 65_536 { try output.flush() }
                try client.ack(delivery)
            }
        }
    }

    private func append(_ record: StoredMessage, to output: inout Output) {
        output.append { (json ? MessageFormat.json : .body).append(record, to: &$0) }
    }

    /// The last records of all partitions together, the oldest first.
    private func last(of shape: TopicShape, _ client: Client) async throws -> [StoredMessage] {
        guard lines > 0 else { return [] }
        var records: [StoredMessage] = []
        for partition in shape.partitions {
            records += try await last(of: partition, client)
            // Never more than two partitions' worth is kept.
            records = Array(sorted(records).suffix(lines))
        }
        return records
    }

    private func sorted(_ records: [StoredMessage]) -> [StoredMessage] {
        records.sorted {
            let (first, second) = ($0.timestampMilliseconds ?? 0, $1.timestampMilliseconds ?? 0)
            return (first, $0.partition, $0.offset) < (second, $1.partition, $1.offset)
        }
    }

    /// Offsets are not dense: where compaction has left gaps, it begins further back until there are enough.
    private func last(of partition: TopicShape.Partition, _ client: Client) async throws -> [StoredMessage] {
        var span = Int64(lines)
        while true {
            let start = max(partition.first, partition.next - span)
            var records: [StoredMessage] = []
            var from = start
            while from < partition.next {
                let found = try await client.peek(topic, partition: partition.number, from: from, count: 1000)
                guard let last = found.last else { break }
                records = (records + found).suffix(lines)
                from = last.offset + 1
            }
            if records.count >= lines || start == partition.first { return records }
            span *= 4
        }
    }
}
