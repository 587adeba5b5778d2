/// One column of a table: its heading, and the side its cells line up on.
struct Column: Sendable {
    enum Alignment { case left, right }
    var heading: String
    var alignment = Alignment.left

    func pad(_ cell: String, to width: Int) -> String {
        let spaces = String(repeating: " ", count: max(0, width - cell.count))
        return alignment == .left ? cell + spaces : spaces + cell
    }
}

protocol TableRow {
    static var columns: [Column] { get }
    /// As many as there are columns.
    var cells: [String] { get }
}

/// Rows as text, each column as wide as its widest cell, no trailing spaces, no rules: it pipes into awk.
struct Table<Row: TableRow>: CustomStringConvertible {
    private let rows: [Row]
    init(_ rows: [Row]) { self.rows = rows }

    var description: String { tableText(Row.columns, rows.map { $0.cells.map(Output.printable) }) }
}

/// The same of columns that only a result has.
func tableText(_ columns: [Column], _ rows: [[String]]) -> String {
    let lines = [columns.map(\.heading)] + rows
    let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { cells in
        let padded = columns.indices.map { columns[$0].pad(cells[$0], to: widths[$0]) }
        var line = padded.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line
    }
    .joined(separator: "\n")
}
