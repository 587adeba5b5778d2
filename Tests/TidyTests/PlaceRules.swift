/// Nothing in the repository may depend on the machine it was written on.
enum PlaceRules {
    /// In pieces, so that this file does not break its own rule.
    private static let folders = ["/wo" + "rk/", "/fa" + "rm/"]

    static func check(_ file: TextFile) -> [Finding] {
        var findings: [Finding] = []
        for (index, line) in file.lines.enumerated() {
            for folder in folders where names(line, folder) {
                findings.append(
                    Finding(
                        file, index, "a path of a development machine (\(folder))", because: "it exists nowhere else"))
            }
        }
        return findings
    }

    /// Whether `folder` stands in `line` as the beginning of a path: `/home/x/wo…` is another folder.
    private static func names(_ line: Substring, _ folder: String) -> Bool {
        var rest = line
        while let found = rest.firstRange(of: folder) {
            let before = line[..<found.lowerBound].last
            guard let before, before.isLetter || before.isNumber || "_-.}".contains(before) else { return true }
            rest = rest[found.upperBound...]
        }
        return false
    }
}
