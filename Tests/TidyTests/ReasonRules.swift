/// What switches a check of the compiler off or ends the process needs a comment on its line or one of the two above:
/// the reason why it is right here.
enum ReasonRules {
    private static let risky = [
        "@unchecked Sendable", "nonisolated(unsafe)", "try!", "fatalError(", "unsafeBitCast", "@preconcurrency",
    ]

    static func check(_ file: TextFile) -> [Finding] {
        var findings: [Finding] = []
        for (index, line) in SwiftCode(file).lines.enumerated() {
            for mark in risky where line.contains(mark) && !hasReason(file, index) {
                findings.append(
                    Finding(
                        file, index, "\(mark) without a reason beside it",
                        because:
                            "write a comment on the line, or at most two lines above, that says why it is right here"))
            }
        }
        return findings
    }

    /// Whether a comment stands on the line or on one of the two above it.
    static func hasReason(_ file: TextFile, _ index: Int) -> Bool {
        file.lines[max(0, index - 2)...index].contains { $0.contains("//") }
    }
}
