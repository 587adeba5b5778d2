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

/// Rows as text, each column as wide as its widest cell, no trailing spaces, no rules: it pipes into awk.
struct Table: CustomStringConvertible {
    let columns: [Column]
    /// As many cells in each as there are columns.
    let rows: [[String]]

    /// The heading and the rows, a line each.
    var lines: [String] {
        let lines = [columns.map(\.heading)] + rows.map { $0.map(Output.printable) }
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { cells in
            let padded = columns.indices.map { columns[$0].pad(cells[$0], to: widths[$0]) }
            var line = padded.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    var description: String { lines.joined(separator: "\n") }
}
