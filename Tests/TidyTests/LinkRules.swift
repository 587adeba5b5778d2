import Foundation

/// A link in a Markdown file that leads to another file of the repository leads somewhere.
enum LinkRules {
    /// - Parameter exists: whether there is a file or folder at a path, counted from the root.
    static func check(_ file: TextFile, exists: (String) -> Bool) -> [Finding] {
        var findings: [Finding] = []
        var isCode = false
        for (index, line) in file.lines.enumerated() {
            if line.drop(while: { $0 == " " }).hasPrefix("```") { isCode.toggle() }
            guard !isCode else { continue }
            for target in targets(in: line) {
                guard let path = resolve(target, from: file.path) else { continue }
                if !exists(path) {
                    findings.append(
                        Finding(
                            file, index, "a link to \(target)",
                            because: "there is no \(path.isEmpty ? "such file" : path)"))
                }
            }
        }
        return findings
    }

    /// What the links in `line` lead to: `[text](target "title")` and `[text]: target`, but nothing between backquotes.
    static func targets(in line: Substring) -> [String] {
        let text = String(line).replacing(/`[^`]*`/, with: "")
        let inline = text.matches(of: /\]\(\s*<?([^)\s>]+)>?[^)]*\)/).map { String($0.output.1) }
        let reference = text.firstMatch(of: /^\s*\[[^\]]+\]:\s+<?([^\s>]+)/).map { String($0.output.1) }
        return inline + (reference.map { [$0] } ?? [])
    }

    /// The path from the root that `target` means in the file at `path`; nil for one that leads elsewhere, or to a
    /// place in the same file. A path that climbs out of the repository begins with `..`, where nothing is found.
    static func resolve(_ target: String, from path: String) -> String? {
        if target.hasPrefix("#") || target.contains(/^[A-Za-z][A-Za-z0-9+.-]*:/) || target.hasPrefix("//") {
            return nil
        }
        let file = target.prefix { $0 != "#" && $0 != "?" }.removingPercentEncoding ?? target
        var parts = file.hasPrefix("/") ? [] : path.split(separator: "/").dropLast().map(String.init)
        for part in file.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." {
                parts.removeLast()
            } else {
                parts.append(String(part))
            }
        }
        return parts.joined(separator: "/")
    }
}
