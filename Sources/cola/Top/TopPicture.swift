/// Two samples as lines for a screen: what happened between them, and how it is now.
struct TopPicture {
    /// What the rows are sorted by; those with the most come first.
    enum Order: String, CaseIterable {
        case messages, `in`, out, unacked, name

        var next: Order {
            let all = Self.allCases
            return all[((all.firstIndex(of: self) ?? 0) + 1) % all.count]
        }
    }

    let before: TopSample
    let now: TopSample
    let order: Order

    private struct Rated {
        var row: TopSample.Row
        var published: Double?
        var delivered: Double?
        var acknowledged: Double?
    }

    private var seconds: Double {
        max(0.001, Double(now.monotonicNanoseconds - before.monotonicNanoseconds) / 1e9)
    }

    /// - Parameter columns: how wide the screen is; nil where there is none.
    func lines(within columns: Int? = nil) -> [String] {
        let server = now.server
        var lines = [
            "cola top  \(server["version"].cell)  up \(DurationText.of(seconds: server["uptime"].integer ?? 0))  "
                + "connections \(server["connections"].cell)  consumers \(server["consumers"].cell)  "
                + "queues \(server["queues"].cell)  topics \(server["topics"].cell)",
            "in \(rate("published"))/s  out \(rate("delivered"))/s  acked \(rate("acknowledged"))/s  "
                + "commits \(rate("commits"))/s  messages \(server["messages"].cell)  "
                + "memory \((server["memory"].integer ?? 0) >> 20) MiB  scheduled \(server["scheduled"].cell)",
        ]
        if let blocked = server["blocked"].text { lines.append("publishers are held back: \(blocked)") }
        lines.append("")
        lines += table.lines(within: columns)
        if now.rows.isEmpty { lines.append("no queues or topics") }
        if now.more > 0 { lines.append("and \(now.more) more that hold less") }
        if !now.workers.isEmpty {
            lines.append("")
            lines += WorkerTable(before: before, now: now).table.lines(within: columns)
        }
        return lines.map(Output.printable)
    }

    private var table: Table {
        let numbers = ["READY", "UNACKED", "IN/s", "OUT/s", "ACK/s", "OLDEST", "CONSUMERS"]
        let columns =
            [Column(heading: "NAME"), Column(heading: "KIND")]
            + numbers.map { Column(heading: $0, alignment: .right) }
        let rows = sorted.map { rated in
            [
                rated.row.name, rated.row.isTopic ? "topic" : "queue", "\(rated.row.ready)",
                rated.row.isTopic ? "-" : "\(rated.row.unacknowledged)", Self.text(rated.published),
                Self.text(rated.delivered), Self.text(rated.acknowledged), age(rated.row), "\(rated.row.consumers)",
            ]
        }
        return Table(columns: columns, rows: rows)
    }

    private var sorted: [Rated] {
        let earlier = Dictionary(before.rows.map { ($0.name, $0) }) { first, _ in first }
        let rated = now.rows.map { row in
            let old = earlier[row.name]
            return Rated(
                row: row, published: rate(old?.published, row.published),
                delivered: rate(old?.delivered, row.delivered),
                acknowledged: rate(old?.acknowledged, row.acknowledged))
        }
        return rated.sorted { first, second in
            let (one, other) = (weight(first), weight(second))
            return one == other ? first.row.name < second.row.name : one > other
        }
    }

    private func weight(_ rated: Rated) -> Double {
        switch order {
        case .messages: Double(rated.row.ready + rated.row.unacknowledged)
        case .in: rated.published ?? 0
        case .out: rated.delivered ?? 0
        case .unacked: Double(rated.row.unacknowledged)
        case .name: 0
        }
    }

    private func rate(_ member: String) -> String {
        Self.text(rate(before.server[member].integer, now.server[member].integer))
    }

    /// Nil where it is not counted. What was made again begins at 0.
    private func rate(_ old: Int64?, _ new: Int64?) -> Double? {
        guard let new else { return nil }
        return Double(max(0, new - (old ?? new))) / seconds
    }

    private static func text(_ rate: Double?) -> String { rate.map { "\(Int64($0.rounded()))" } ?? "-" }

    private func age(_ row: TopSample.Row) -> String {
        row.oldest.map { DurationText.of(seconds: max(0, now.utcMilliseconds - $0) / 1000) } ?? "-"
    }
}
