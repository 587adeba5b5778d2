/// Lines of workers as columns for people, or as JSON for scripts.
struct LogPicture {
    let isJSON: Bool
    /// Whether no line has been shown.
    private(set) var isEmpty = true
    /// What comes later is not known yet, so columns grow.
    private var widths = [0, 0]

    init(isJSON: Bool) { self.isJSON = isJSON }

    /// Prints the lines of an answer.
    ///
    /// - Returns: where to read on.
    mutating func show(_ answer: String) throws -> String? {
        let answer = try JSONValue(answer: answer)
        let lines = answer["lines"].list
        if let lost = answer["lost"].integer, lost > 0 {
            Output.note("\(lost) lines were gone before they could be read")
        }
        var output = Output.standard()
        for line in lines { output.line(isJSON ? line.json : text(of: line)) }
        try output.flush()
        if !lines.isEmpty { isEmpty = false }
        return answer["next"].text
    }

    private mutating func text(of line: JSONValue) -> String {
        let process = line["pid"].integer.map { "[\($0)]" } ?? ""
        let cells = [
            "\(line["worker"].cell)/\(line["instance"].cell)\(process)",
            line["queue"].text.map { "\($0) \(line["offset"].cell)\(Self.attempt(line))" } ?? "-",
        ]
        let padded = zip(cells.indices, cells).map { index, cell in
            let cell = Output.printable(cell)
            widths[index] = max(widths[index], DisplayWidth.of(cell))
            return Column(heading: "").pad(cell, to: widths[index])
        }
        return ([line["time"].cell] + padded + [line["stream"].cell, Self.content(line)]).joined(separator: "  ")
    }

    private static func attempt(_ line: JSONValue) -> String {
        guard let attempt = line["attempt"].integer, attempt > 1 else { return "" }
        return " (\(attempt))"
    }

    private static func content(_ line: JSONValue) -> String {
        if let dropped = line["dropped"].integer { return "(\(dropped) lines dropped: too many at a time)" }
        return printable(line["line"].text ?? "", isCut: line["cut"] == .truth(true))
    }

    /// A line of a program, for a terminal.
    static func printable(_ line: String, isCut: Bool) -> String {
        // A tabulator does no harm.
        let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
        return parts.map { Output.printable(String($0)) }.joined(separator: "\t") + (isCut ? "…" : "")
    }
}
