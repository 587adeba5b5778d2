import ColaClient
import ColaCore
import NIOCore

/// A message that died somewhere else, with what is known of it: the broker's headers, read.
struct DeadLetter {
    let message: StoredMessage
    /// The latest last; there is one.
    let deaths: [DeathHistory.Event]
    /// The latest last.
    let attempts: [Attempt]

    /// Nil if it is none that died, or if it is back where it died.
    init?(_ message: StoredMessage, in queue: String) {
        func values(_ name: BrokerHeader) -> [ArraySlice<UInt8>] {
            message.headers.filter { $0.name == name.rawValue }.map { $0.bytes[...] }
        }
        self.message = message
        deaths = values(.death).compactMap { DeathHistory.Event($0) }
        attempts = values(.attempt).compactMap { Attempt($0) }
        guard let last = deaths.last, last.queue != queue else { return nil }
    }

    private var death: DeathHistory.Event { deaths[deaths.count - 1] }
    /// Why it died last.
    var reason: String { death.reason }
    /// Where it died last.
    var queue: String { death.queue }

    // MARK: For people

    static let columns = [
        Column(heading: "OFFSET", alignment: .right), Column(heading: "REASON"),
        Column(heading: "TIMES", alignment: .right), Column(heading: "SINCE"), Column(heading: "FROM"),
        Column(heading: "EXCHANGE"), Column(heading: "KEY"), Column(heading: "BODY"),
    ]

    var cells: [String] {
        [
            "\(message.offset)", death.reason, "\(death.count)", UTCTime.text(milliseconds: death.time.rawValue),
            death.queue, JSONValue.text(death.exchange).cell, JSONValue.text(death.routingKey).cell,
            String(String(buffer: message.body).prefix(40)),
        ]
    }

    /// What the row does not say: how it died before, and every attempt with the last lines of its output.
    var story: [String] {
        let died = deaths.dropLast().map { death in
            let times = death.count == 1 ? "once" : "\(death.count) times"
            let since = UTCTime.text(milliseconds: death.time.rawValue)
            return "    died before: \(death.reason) \(times) in \(death.queue), first \(since)"
        }
        let tried = attempts.flatMap { attempt in [Self.line(of: attempt)] + attempt.output.map { "        | \($0)" } }
        return (died + tried).map(Output.printable)
    }

    private static func line(of attempt: Attempt) -> String {
        let milliseconds = max(0, attempt.ended.rawValue - attempt.began.rawValue)
        let fraction = "\(1000 + milliseconds % 1000)".dropFirst()
        let process = attempt.process > 0 ? " pid \(attempt.process)" : ""
        let detail = attempt.detail.isEmpty ? "" : ", \(attempt.detail)"
        return "    \(UTCTime.text(milliseconds: attempt.began.rawValue)) \(milliseconds / 1000).\(fraction) s "
            + "\(attempt.worker)\(process): \(attempt.end.rawValue)\(detail)"
    }

    // MARK: For scripts

    /// The message as `cola peek` has it, and besides `deaths` and `attempts`.
    var json: String {
        var bytes: [UInt8] = []
        MessageFormat.json.append(message, to: &bytes)
        let more = JSONValue.object([
            .init(name: "deaths", value: .list(deaths.map(Self.value))),
            .init(name: "attempts", value: .list(attempts.map(Self.value))),
        ])
        // Both are objects: one goes on where the other ends.
        return String(decoding: bytes.dropLast(2), as: UTF8.self) + "," + more.json.dropFirst()
    }

    private static func value(_ death: DeathHistory.Event) -> JSONValue {
        .object([
            .init(name: "reason", value: .text(death.reason)), .init(name: "count", value: .number("\(death.count)")),
            .init(name: "first", value: .number("\(death.time)")), .init(name: "queue", value: .text(death.queue)),
            .init(name: "exchange", value: .text(death.exchange)),
            .init(name: "routing_key", value: .text(death.routingKey)),
        ])
    }

    private static func value(_ attempt: Attempt) -> JSONValue {
        .object([
            .init(name: "began", value: .number("\(attempt.began)")),
            .init(name: "ended", value: .number("\(attempt.ended)")),
            .init(name: "end", value: .text(attempt.end.rawValue)),
            .init(name: "worker", value: .text(attempt.worker)),
            .init(name: "process", value: attempt.process > 0 ? .number("\(attempt.process)") : .null),
            .init(name: "detail", value: .text(attempt.detail)),
            .init(name: "output", value: .list(attempt.output.map(JSONValue.text))),
        ])
    }
}
