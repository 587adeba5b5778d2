/// One column of a table: its heading, and the side its cells line up on.
struct Column: Sendable {
    enum Alignment { case left, right }
    var heading: String
    var alignment = Alignment.left

    func pad(_ cell: String, to width: Int) -> String {
        let spaces = String(repeating: " ", count: max(0, width - DisplayWidth.of(cell)))
        return alignment == .left ? cell + spaces : spaces + cell
    }
}

/// Rows as text, each column as wide as its widest cell, no trailing spaces, no rules: it pipes into awk.
struct Table: CustomStringConvertible {
    let columns: [Column]
    /// As many cells in each as there are columns.
    let rows: [[String]]

    /// What is left of a name on the narrowest screen.
    private static let nameColumnsMin = 12

    /// The heading and the rows, a line each.
    var lines: [String] { lines(within: nil) }

    /// The same. Where that is wider than a screen of so many columns, the first cells, which are names, are shortened,
    /// so that what they are the names of can be seen as well.
    func lines(within screenColumns: Int?) -> [String] {
        var lines = [columns.map(\.heading)] + rows.map { $0.map(Output.printable) }
        var widths = columns.indices.map { column in lines.map { DisplayWidth.of($0[column]) }.max() ?? 0 }
        if let screenColumns, let name = widths.first {
            let others = widths.dropFirst().reduce(0) { $0 + 2 + $1 }
            widths[0] = min(name, max(Self.nameColumnsMin, screenColumns - others))
            for line in lines.indices { lines[line][0] = DisplayWidth.shortened(lines[line][0], to: widths[0]) }
        }
        return lines.map { cells in
            let padded = columns.indices.map { columns[$0].pad(cells[$0], to: widths[$0]) }
            var line = padded.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    var description: String { lines.joined(separator: "\n") }
}
