import ArgumentParser
import ColaClient

/// `cola queues`, `cola topics` and every other listing.
struct ListingCommand<Rows: Listing>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        let path = Rows.path
        return CommandConfiguration(
            commandName: path.split(separator: " ").last.map(String.init), abstract: Rows.abstract,
            discussion: """
                \(Rows.explanation)

                  cola \(path)
                  cola \(path) '\(Rows.pattern)'
                  cola \(path) --watch 1
                  cola \(path) --json | jq length

                A pattern is compared with the whole name: * stands for any text, ? for one character. With --json, \
                one array with an object per row and everything the broker says; members may be added, never renamed.
                """)
    }

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "Only those whose name fits, such as 'orders*'.")
    var pattern: String?

    @OptionGroup var display: DisplayOptions

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let text = try await client.list(Rows.what)
                if display.json, pattern == nil { return .json(text) }
                let rows = try JSONValue(answer: text).list.filter(fits)
                if rows.isEmpty { Output.note(emptiness) }
                if display.json { return .json(JSONValue.list(rows).json) }
                let cells = rows.map { row in Rows.columns.map { $0.cell(row) } }
                return .lines(Table(columns: Rows.columns.map(\.column), rows: cells).lines)
            }
        }
    }

    private func fits(_ row: JSONValue) -> Bool {
        guard let pattern else { return true }
        return Rows.names.contains { NamePattern.matches(pattern, row[$0].text ?? "") }
    }

    private var emptiness: String {
        let what = Rows.what == .vhosts ? "virtual hosts" : Rows.what.rawValue
        if let pattern { return "there are no \(what) that fit '\(pattern)'" }
        return "there are no \(what); \(Rows.advice)"
    }
}
