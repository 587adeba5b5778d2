/// Processes as a table, or as a tree: the broker, below it its workers, below each its instances.
struct ProcessTable {
    private typealias Measured = (row: JSONValue, cpuPermille: Int64?)

    private let columns: [ProcessColumn]
    private var processes: [Measured]

    /// - Parameter cpuPermille: for each row; a thousandth of a processor is 1, nil is not known.
    init(_ rows: [JSONValue], cpuPermille: [Int64?], columns: [ProcessColumn], sort: ProcessColumn?) {
        self.columns = columns
        processes = zip(rows, cpuPermille).map { ($0, $1) }
        guard let sort else { return }
        let numbered = processes.enumerated().sorted { first, second in
            if sort.precedes(first.element, second.element) { return true }
            return !sort.precedes(second.element, first.element) && first.offset < second.offset
        }
        processes = numbered.map(\.element)
    }

    var rows: [JSONValue] { processes.map(\.row) }

    var lines: [String] {
        Table(columns: columns.map(\.column), rows: processes.map { cells(columns, $0) }).lines
    }

    /// The instance is the first column, whatever the others are.
    var tree: [String] {
        let rest = columns.filter { $0 != .instance }
        var rows: [[String]] = []
        for process in processes where process.row["worker"].text == nil {
            rows.append([process.row["name"].cell] + cells(rest, process))
        }
        var workers: [String] = []
        for case let name? in processes.map(\.row["worker"].text) where !workers.contains(name) { workers.append(name) }
        for (index, worker) in workers.enumerated() {
            let isLast = index == workers.count - 1
            rows.append([(isLast ? "└─ " : "├─ ") + worker] + rest.map { _ in "" })
            let instances = processes.filter { $0.row["worker"].text == worker }
            for (index, process) in instances.enumerated() {
                let branch = (isLast ? "   " : "│  ") + (index == instances.count - 1 ? "└─ " : "├─ ")
                rows.append([branch + process.row["name"].cell] + cells(rest, process))
            }
        }
        return Table(columns: ([.instance] + rest).map(\.column), rows: rows).lines
    }

    private func cells(_ columns: [ProcessColumn], _ process: Measured) -> [String] {
        columns.map { $0.cell(process.row, cpuPermille: process.cpuPermille) }
    }
}
