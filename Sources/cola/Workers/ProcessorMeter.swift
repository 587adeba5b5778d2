/// How much of a processor each process takes: since the last look, or, of one that is seen for the first time, over
/// its life.
struct ProcessorMeter {
    private struct Reading {
        var uptime: Int64
        var used: Int64
    }

    private var last: [Int64: Reading] = [:]

    /// - Returns: for each row, in its order: a thousandth of a processor is 1; nil: not known.
    mutating func permille(_ rows: [JSONValue]) -> [Int64?] {
        var readings: [Int64: Reading] = [:]
        defer { last = readings }
        return rows.map { row in
            guard let process = row["pid"].integer, let uptime = row["uptime-ms"].integer,
                let used = row["cpu-ms"].integer
            else { return nil }
            readings[process] = Reading(uptime: uptime, used: used)
            // A process that is younger than before is another one with the same id.
            let before = last[process].flatMap { $0.uptime < uptime && $0.used <= used ? $0 : nil }
            let elapsed = uptime - (before?.uptime ?? 0)
            return elapsed > 0 ? (used - (before?.used ?? 0)) * 1000 / elapsed : nil
        }
    }
}
