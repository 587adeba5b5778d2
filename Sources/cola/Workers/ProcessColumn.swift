import ArgumentParser

/// What `cola ps` can show of a process.
enum ProcessColumn: String, CaseIterable, ExpressibleByArgument, Sendable {
    case instance, worker, pid, parent, state, since, kernel, uptime, cpu, time, memory, virtual, threads, files, nice
    case starts, failures, next, messages, message, age, reason

    /// What is shown where nothing else is asked for.
    static let usual: [ProcessColumn] = [
        .instance, .pid, .parent, .state, .since, .cpu, .memory, .threads, .files, .nice, .starts, .message, .age,
        .reason,
    ]

    var column: Column {
        Column(heading: self == .cpu ? "CPU%" : rawValue.uppercased(), alignment: isText ? .left : .right)
    }

    private var isText: Bool {
        switch self {
        case .instance, .worker, .state, .kernel, .message, .reason: true
        default: false
        }
    }

    /// - Parameter cpuPermille: a thousandth of a processor is 1; nil: not known.
    func cell(_ row: JSONValue, cpuPermille: Int64?) -> String {
        switch self {
        case .since, .uptime, .next, .age:
            number(row, cpuPermille).map { DurationText.of(seconds: $0 / 1000) } ?? "-"
        case .cpu: cpuPermille.map { "\($0 / 10).\($0 % 10)" } ?? "-"
        case .time: number(row, nil).map(Self.clock) ?? "-"
        case .memory, .virtual: number(row, nil).map(ByteText.of) ?? "-"
        case .message:
            row["message"].members.isEmpty
                ? "-" : "\(row["message"]["queue"].cell) \(row["message"]["offset"].cell)"
        default: member(row).cell
        }
    }

    /// Whether the one row comes before the other: texts in their order, of numbers the greatest first, and what is not
    /// known last.
    func precedes(_ first: (JSONValue, Int64?), _ second: (JSONValue, Int64?)) -> Bool {
        if isText {
            let texts = (cell(first.0, cpuPermille: nil), cell(second.0, cpuPermille: nil))
            if texts.0 == "-" || texts.1 == "-" { return texts.0 != "-" && texts.1 == "-" }
            return texts.0 < texts.1
        }
        return (number(first.0, first.1) ?? .min) > (number(second.0, second.1) ?? .min)
    }

    private func number(_ row: JSONValue, _ cpuPermille: Int64?) -> Int64? {
        self == .cpu ? cpuPermille : member(row).integer
    }

    private func member(_ row: JSONValue) -> JSONValue {
        switch self {
        case .instance: row["name"]
        case .since: row["state-ms"]
        case .kernel: row["kernel-state"]
        case .uptime: row["uptime-ms"]
        case .cpu, .time: row["cpu-ms"]
        case .memory: row["resident"]
        case .next: row["next-start-ms"]
        case .age: row["message"]["held-ms"]
        default: row[rawValue]
        }
    }

    /// Minutes, seconds and hundredths, as `ps` and `top` write the time of a processor.
    private static func clock(milliseconds: Int64) -> String {
        let hundredths = milliseconds / 10
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(hundredths / 6000):\(two(hundredths / 100 % 60)).\(two(hundredths % 100))"
    }
}
