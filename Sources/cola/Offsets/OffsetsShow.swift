import ArgumentParser
import ColaClient

/// `cola offsets show`
struct OffsetsShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a group's position in each partition.",
        discussion: """
              cola offsets show events audit
              cola offsets show events audit --json

            COMMITTED is the offset that the group reads next, NEXT the one that the next record gets, and LAG how \
            many records are between them. A dash: the group has committed nothing there.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The topic.", completion: .topics)
    var topic: String

    @Argument(help: "The group.")
    var group: String

    @OptionGroup var display: DisplayOptions

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let text = try await client.describe(.group(topic: topic, name: group))
                let offsets = try JSONValue(answer: text)["offsets"]
                let shape = TopicShape(try JSONValue(answer: try await client.describe(.topic(topic))))
                if display.json { return .json(offsets.json) }
                return .lines(table(offsets.list, shape).lines)
            }
        }
    }

    private func table(_ offsets: [JSONValue], _ shape: TopicShape) -> Table {
        let columns = ["PARTITION", "COMMITTED", "FIRST", "NEXT", "LAG"].map { Column(heading: $0, alignment: .right) }
        let rows = shape.partitions.map { partition in
            let committed = offsets.first { $0["partition"].integer == Int64(partition.number) } ?? .null
            return [
                "\(partition.number)", committed["committed"].cell, "\(partition.first)", "\(partition.next)",
                committed["lag"].cell,
            ]
        }
        return Table(columns: columns, rows: rows)
    }
}
