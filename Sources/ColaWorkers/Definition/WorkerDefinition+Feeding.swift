internal import ColaCore
internal import OrderedCollections

extension WorkerDefinition {
    /// Where messages come from, how many processes share them, and what becomes of those that fail.
    mutating func readFeeding(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
        queue = Self.name("queue", of: section, with: &reader)
        virtualHost = Self.name("vhost", of: section, with: &reader) ?? virtualHost
        resultQueue = Self.name("result-queue", of: section, with: &reader)
        format = reader.choice("format", of: section, as: Format.self) ?? format
        ready = reader.choice("ready", of: section, as: Readiness.self) ?? ready
        prefetch = reader.number("prefetch", of: section, in: 1...65_535).map(Int.init) ?? prefetch
        processes = Self.processes(of: section, with: &reader) ?? processes
        timeLimit = reader.duration("time-limit", of: section, from: 1)
        exitCodes = Self.exitCodes(of: section, with: &reader) ?? exitCodes
        ownRetry = Self.retry(of: section, with: &reader)
        let keys = ["drain-within", "age", "idle-for"]
        if let part = reader.section("autoscale", of: section, keys: keys) {
            autoscale.drainWithin = reader.duration(keys[0], of: part, from: 100) ?? autoscale.drainWithin
            autoscale.age = reader.duration(keys[1], of: part, from: 100) ?? autoscale.age
            autoscale.idleFor = reader.duration(keys[2], of: part, from: 1_000) ?? autoscale.idleFor
        }
    }

    private static func name(
        _ key: String, of section: DefinitionReader.Section, with reader: inout DefinitionReader
    ) -> String? {
        guard let text = reader.text(key, of: section) else { return nil }
        guard text.utf8.count <= 255 else {
            reader.fail(section.path(of: key), "has \(text.utf8.count) bytes; a name has 1 to 255")
            return nil
        }
        return text
    }

    /// `4`, `1-8`, or `{min: 1, max: 8}`.
    private static func processes(
        of section: DefinitionReader.Section, with reader: inout DefinitionReader
    ) -> ClosedRange<Int>? {
        guard let node = section["processes"] else { return nil }
        let most = Int64(processesMost)
        if case .scalar(let text) = node {
            if let ends = range(text, in: 0...most) { return Int(ends.lowerBound)...Int(ends.upperBound) }
            let expected = "a number from 0 to \(most), or a range such as 1-8"
            reader.fail("processes", node, mustBe: expected)
            return nil
        }
        guard let part = reader.section(node, path: "processes", keys: ["min", "max"]) else { return nil }
        let least = reader.number("min", of: part, in: 0...most) ?? 0
        guard let greatest = reader.number("max", of: part, in: 0...most) else {
            if part["max"] == nil { reader.fail("processes.max", "is missing; it must be a number from 0 to \(most)") }
            return nil
        }
        guard least <= greatest else {
            reader.fail("processes.min", "is '\(least)'; it must be at most processes.max, which is \(greatest)")
            return nil
        }
        return Int(least)...Int(greatest)
    }

    /// `3` or `1-63`.
    private static func range(_ text: String, in limits: ClosedRange<Int64>) -> ClosedRange<Int64>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { part in
            part.allSatisfy { $0.isASCII && $0.isNumber } ? Int64(part) : nil
        }
        guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last,
            limits.contains(first), limits.contains(last)
        else { return nil }
        return first...last
    }

    private static func exitCodes(
        of section: DefinitionReader.Section, with reader: inout DefinitionReader
    ) -> ExitCodeMap? {
        guard let node = section["exit-codes"] else { return nil }
        guard case .mapping(let entries) = node else {
            reader.fail("exit-codes", node, mustBe: "lines such as `75: retry`, `1-63: reject` or `others: reject`")
            return nil
        }
        // What is not said about 0 and 75 holds as it does without the table.
        var map = ExitCodeMap(rules: [])
        for (key, value) in entries {
            let path = "exit-codes.\(key)"
            guard let outcome = reader.choice(value, path: path, as: ExitCodeMap.Outcome.self) else { continue }
            switch key {
            case "others": map.others = outcome
            case "signal": map.signal = outcome
            default:
                guard let codes = range(key, in: 0...255) else {
                    reader.fail(path, "is no exit code; it must be 0 to 255, a range such as 1-63, others or signal")
                    continue
                }
                let rule = ExitCodeMap.Rule(
                    codes: Int32(codes.lowerBound)...Int32(codes.upperBound), outcome: outcome)
                if let other = map.rules.first(where: { $0.codes.overlaps(rule.codes) }) {
                    let ends = "\(other.codes.lowerBound)-\(other.codes.upperBound)"
                    reader.fail(path, "says something about codes that \(ends) is about, too; let each be in one line")
                    continue
                }
                map.rules.append(rule)
            }
        }
        for rule in ExitCodeMap().rules where !map.rules.contains(where: { $0.codes.overlaps(rule.codes) }) {
            map.rules.append(rule)
        }
        map.rules.sort { $0.codes.lowerBound < $1.codes.lowerBound }
        return map
    }

    private static func retry(
        of section: DefinitionReader.Section, with reader: inout DefinitionReader
    ) -> RetryRule? {
        let growing = ["first", "most", "factor", "jitter"]
        guard let part = reader.section("retry", of: section, keys: ["attempts", "delay", "delays", "step"] + growing)
        else {
            return nil
        }
        var rule = RetryRule()
        let found =
            ["delay", "delays", "step"].filter { part[$0] != nil }
            + (growing.contains { part[$0] != nil && ($0 != "most" || part["step"] == nil) } ? ["first"] : [])
        if found.count > 1 {
            reader.fail(
                "retry",
                "has \(found.joined(separator: " and ")); say one of delay, delays, step and most, or first and most")
            return nil
        }
        switch found.first {
        case "delay": rule.pace = .fixed(reader.duration("delay", of: part) ?? 0)
        case "delays":
            guard case .sequence(let nodes)? = part["delays"], (1...100).contains(nodes.count) else {
                let given = part["delays"] ?? .scalar("")
                reader.fail("retry.delays", given, mustBe: "a list of 1 to 100 durations, such as [1s, 10s, 1 min]")
                return nil
            }
            rule.pace = .list(nodes.compactMap { reader.duration($0, path: "retry.delays") })
            rule.attempts = nodes.count + 1
        case "step":
            let step = reader.duration("step", of: part) ?? 0
            rule.pace = .linear(
                step: step, most: reader.duration("most", of: part) ?? max(step, RetryRule.growing.most))
        case "first":
            rule.pace = .exponential(reader.growingDelay(part, standard: RetryRule.growing))
        default: break
        }
        rule.attempts = reader.number("attempts", of: part, in: 1...1_000_000).map(Int.init) ?? rule.attempts
        return rule
    }
}
