/// Draws over what is on the terminal.
enum Screen {
    /// Puts the lines on the screen in place of what was there. What does not fit is cut off, so that nothing scrolls.
    ///
    /// - Parameter clearing: whether the screen holds something that these lines are not in place of.
    static func draw(_ lines: [String], clearing: Bool) throws {
        let size = Terminal.size
        var output = Output.standard()
        output.append { bytes in
            bytes.append(contentsOf: (clearing ? "\u{1B}[2J\u{1B}[H" : "\u{1B}[H").utf8)
            for (index, line) in fitting(lines, size).enumerated() {
                if index > 0 { bytes.append(contentsOf: "\r\n".utf8) }
                bytes.append(contentsOf: DisplayWidth.prefix(of: line, columns: size.columns).utf8)
                bytes.append(contentsOf: "\u{1B}[K".utf8)
            }
            bytes.append(contentsOf: "\u{1B}[J".utf8)
        }
        try output.flush()
    }

    /// As many lines as there is room for; the last says how many are not seen.
    private static func fitting(_ lines: [String], _ size: Terminal.Size) -> [String] {
        guard lines.count > size.rows, size.rows > 1 else { return Array(lines.prefix(size.rows)) }
        let shown = lines.prefix(size.rows - 1)
        return shown + ["… \(lines.count - shown.count) more"]
    }
}
