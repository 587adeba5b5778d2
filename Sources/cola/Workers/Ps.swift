import ArgumentParser
import ColaClient

/// `cola ps`
struct Ps: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the processes that the broker runs, and its own: states, time, memory, messages in hand.",
        discussion: """
              cola ps
              cola ps 'resize/*' --watch 1
              cola ps --tree
              cola ps -o instance,pid,cpu,memory --sort memory
              cola ps --json | jq '.[].pid'

            An instance is WORKER/NUMBER, which is what `cola workers` takes. STATE and SINCE are how a worker's \
            process is in its work, KERNEL what the kernel's scheduler says. CPU% is over the life of the process; \
            with --watch since the last look. MESSAGE is the one that it has had for longest, AGE since when. Columns: \
            \(ProcessColumn.allCases.map(\.rawValue).joined(separator: ", ")). Only administrators may look.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "Only those whose instance or worker fits, such as 'resize*'.", completion: .workers)
    var pattern: String?

    @Option(
        name: [.customShort("o"), .long],
        help: ArgumentHelp("The columns, with commas between them.", valueName: "columns"),
        transform: Self.columns)
    var columns = ProcessColumn.usual

    @Option(
        name: .long,
        help: ArgumentHelp("Sort by a column: of numbers the greatest first.", valueName: "column"))
    var sort: ProcessColumn?

    @Flag(name: .long, help: "Show instances below their worker, and workers below the broker.")
    var tree = false

    @OptionGroup var display: DisplayOptions

    func validate() throws {
        if tree, display.json { throw ValidationError("--tree is for people, --json for scripts; choose one of them") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            var meter = ProcessorMeter()
            try await display.show {
                let text = try await client.list(.processes)
                let rows = try JSONValue(answer: text).list.filter(fits)
                if rows.isEmpty, let pattern { Output.note("there are no processes that fit '\(pattern)'") }
                let table = ProcessTable(
                    rows, cpuPermille: meter.permille(rows), columns: columns, sort: sort)
                if display.json { return .json(JSONValue.list(table.rows).json) }
                return .lines(tree ? table.tree : table.lines)
            }
        }
    }

    private func fits(_ row: JSONValue) -> Bool {
        guard let pattern else { return true }
        return ["name", "worker"].contains { NamePattern.matches(pattern, row[$0].text ?? "") }
    }

    private static func columns(_ text: String) throws -> [ProcessColumn] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
            guard let column = ProcessColumn(rawValue: String(name)) else {
                let known = ProcessColumn.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("there is no column '\(name)', but \(known)")
            }
            return column
        }
    }
}
