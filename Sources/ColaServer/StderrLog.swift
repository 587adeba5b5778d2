internal import Logging

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Log lines on stderr, for people (`text`) or for machines (`json`); one write per line.
struct StderrLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    let isJSON: Bool

    static func logger(format: String, level: String) -> Logger {
        let level = Logger.Level(rawValue: level) ?? .info
        return Logger(label: "cola") { _ in StderrLog(logLevel: level, isJSON: format == "json") }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        var line: String
        if isJSON {
            let members =
                [("time", time()), ("level", event.level.rawValue), ("message", "\(event.message)")]
                + all.map { ($0.key, "\($0.value)") }
            line = "{" + members.map { "\(quoted($0.0)):\(quoted($0.1))" }.joined(separator: ",") + "}\n"
        } else {
            let rest = all.map { " \($0.key)=\(Self.oneLine("\($0.value)"))" }.joined()
            line = "\(time()) \(event.level.rawValue) \(event.message)\(rest)\n"
        }
        line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }

    /// What others have sent may hold anything: a line break in it would be a line of its own, and a long one hides
    /// the others.
    private static func oneLine(_ text: String) -> String {
        guard text.utf8.count > 1_000 || text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return text }
        let clean = text.unicodeScalars.prefix(1_000).map { scalar in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "?" : Character(scalar)
        }
        return String(clean) + (clean.count < text.unicodeScalars.count ? "…" : "")
    }

    /// RFC 3339, UTC, milliseconds.
    private func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func pad(_ number: Int, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(Int(parts.tm_year) + 1900)-\(pad(Int(parts.tm_mon) + 1, 2))-\(pad(Int(parts.tm_mday), 2))"
        let clock = "\(pad(Int(parts.tm_hour), 2)):\(pad(Int(parts.tm_min), 2)):\(pad(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(pad(now.tv_nsec / 1_000_000, 3))Z"
    }

    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..."\u{1f}":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
