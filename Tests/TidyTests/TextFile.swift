/// A file as the rules see it: its path from the root, and its lines.
struct TextFile {
    let path: String
    let lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    var name: Substring { path.split(separator: "/").last ?? "" }

    /// The name without its extension and without the topic an extension adds: `BrokerError` of
    /// `BrokerError+AMQP.swift`.
    var subject: Substring { name.prefix { $0 != "." && $0 != "+" } }

    /// The target whose folder in `Sources/` the file lies in.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }
}
