import Testing

/// Something that breaks a rule of the house: where, which, and why there is such a rule.
struct Finding: CustomStringConvertible, Equatable {
    let path: String
    /// Counted from 1.
    let line: Int
    let rule: String
    let reason: String

    init(_ file: TextFile, _ index: Int, _ rule: String, because reason: String) {
        path = file.path
        line = index + 1
        self.rule = rule
        self.reason = reason
    }

    var description: String { "\(path):\(line): \(rule); \(reason)" }

    /// Fails the running test once for each of `findings`.
    static func report(_ findings: [Finding]) {
        for finding in findings {
            let place = SourceLocation(
                fileID: "TidyTests/\(finding.path)", filePath: finding.path, line: finding.line, column: 1)
            Issue.record(Comment(rawValue: finding.description), sourceLocation: place)
        }
    }
}
