/// The workers of two samples as a table: what they do, what their processes take, and what waits.
struct WorkerTable {
    private let workers: [JSONValue]
    /// Of each process, with how much of a processor it takes: a thousandth of one is 1; nil: not known.
    private let processes: [(row: JSONValue, cpuPermille: Int64?)]

    private static let states = ["new", "ready", "running", "blocked", "terminated"]

    init(before: TopSample, now: TopSample) {
        workers = now.workers
        var meter = ProcessorMeter()
        _ = meter.permille(before.processes)
        processes = zip(now.processes, meter.permille(now.processes)).map { ($0, $1) }
    }

    var table: Table {
        let numbers = ["PROCESSES", "CPU%", "MEMORY", "MESSAGES", "AGE", "STARTS", "FAILURES", "NEXT"]
        let columns =
            [Column(heading: "WORKER"), Column(heading: "STATES")]
            + numbers.map { Column(heading: $0, alignment: .right) } + [Column(heading: "MESSAGE")]
        return Table(columns: columns, rows: workers.map(cells))
    }

    private func cells(_ worker: JSONValue) -> [String] {
        let own = processes.filter { $0.row["worker"] == worker["name"] }
        let oldest = own.map { $0.row["message"] }.filter { !$0.members.isEmpty }
            .max { ($0["held-ms"].integer ?? 0) < ($1["held-ms"].integer ?? 0) }
        let next = own.compactMap { $0.row["next-start-ms"].integer }.min()
        return [
            worker["name"].cell, Self.states(of: worker), worker["processes"].cell, cpu(own.map(\.cpuPermille)),
            memory(own.map { $0.row["resident"].integer }), worker["messages"].cell,
            Self.duration(oldest?["held-ms"].integer), worker["starts"].cell, worker["failures"].cell,
            Self.duration(next), oldest.map { "\($0["queue"].cell) \($0["offset"].cell)" } ?? "-",
        ]
    }

    /// How many instances are in each state; of a worker that does not run as a rule, what it is.
    private static func states(of worker: JSONValue) -> String {
        let counts = states.compactMap { state -> String? in
            guard let count = worker[state].integer, count > 0 else { return nil }
            return "\(count) \(state)"
        }
        let state = worker["state"].cell
        return (counts + (state == "running" ? [] : ["(\(state))"])).joined(separator: " ")
    }

    private func cpu(_ permille: [Int64?]) -> String {
        let known = permille.compactMap(\.self)
        guard !known.isEmpty else { return "-" }
        let sum = known.reduce(0, +)
        return "\(sum / 10).\(sum % 10)"
    }

    private func memory(_ bytes: [Int64?]) -> String {
        let known = bytes.compactMap(\.self)
        return known.isEmpty ? "-" : ByteText.of(known.reduce(0, +))
    }

    private static func duration(_ milliseconds: Int64?) -> String {
        milliseconds.map { DurationText.of(seconds: $0 / 1_000) } ?? "-"
    }
}
