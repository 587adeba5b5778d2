/// What every source file must be: named for what it holds, described at its main type, within the line, finished.
enum FileRules {
    static let columnsMax = 120

    static func checkName(_ file: TextFile) -> [Finding] {
        for word in ["Util", "Helper", "Manager", "Common"] where file.name.contains(word) {
            return [
                Finding(
                    file, 0, "a file named for \(word)",
                    because:
                        "such a file collects anything; name it for what it is, or put its parts where they are used")
            ]
        }
        return []
    }

    static func checkLines(_ file: TextFile) -> [Finding] {
        var findings: [Finding] = []
        // In pieces, so that this file does not break its own rule.
        let unfinished = ["TO" + "DO", "FIX" + "ME", "X" + "XX"]
        for (index, line) in file.lines.enumerated() {
            // A line of fewer bytes has no more characters.
            if line.utf8.count > columnsMax, line.count > columnsMax {
                findings.append(
                    Finding(
                        file, index, "\(line.count) columns", because: "two files fit side by side with \(columnsMax)"))
            }
            for word in unfinished where line.split(whereSeparator: { !$0.isLetter }).contains(Substring(word)) {
                findings.append(
                    Finding(
                        file, index, "an unfinished place (\(word))",
                        because: "finish it, or open an issue and say less"))
            }
        }
        return findings
    }

    /// The type the file is named for, else its first: it says what the file is about, so it needs a doc comment.
    /// A file of extensions alone has said it elsewhere.
    static func checkDocComment(_ file: TextFile) -> [Finding] {
        let modifier =
            /(?:package|public|internal|private|fileprivate|final|indirect|nonisolated|@\w+(?:\([^)]*\))?)\s+/
        let declaration = /^(?:struct|enum|class|actor|protocol|typealias)\s+(\w+)/
        var types: [(name: Substring, line: Int)] = []
        for (index, line) in SwiftCode(file).lines.enumerated() {
            var rest = line[...]
            while let match = rest.prefixMatch(of: modifier) { rest = rest[match.range.upperBound...] }
            if let match = rest.prefixMatch(of: declaration) { types.append((match.output.1, index)) }
        }
        guard let main = types.first(where: { $0.name == file.subject }) ?? types.first else { return [] }
        var above = main.line - 1
        while above >= 0, file.lines[above].hasPrefix("@") || file.lines[above].hasPrefix("// swift-format") {
            above -= 1
        }
        if above >= 0, file.lines[above].hasPrefix("///") || file.lines[above].hasSuffix("*/") { return [] }
        return [
            Finding(
                file, main.line, "\(main.name) has no doc comment",
                because: "say what it is, why it is this way, and its shape, units or source")
        ]
    }
}
