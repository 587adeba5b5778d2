internal import OrderedCollections

extension WorkerDefinition {
    /// The keys of a worker, in the order in which they are written.
    package static let keys = [
        "queue", "vhost", "command", "mode", "processes", "prefetch", "directory", "user", "group", "umask", "nice",
        "environment", "pass-environment", "limits", "restart", "backoff", "stop", "time-limit", "exit-codes", "retry",
        "result-queue", "start-limit", "autoscale",
    ]

    /// Workers a server can have.
    package static let workersMost = 10_000

    /// - Parameter node: what stands behind `workers:`: names, and behind each its settings.
    /// - Throws: all that is wrong in it.
    package static func all(from node: DefinitionNode) throws(DefinitionErrors) -> [WorkerDefinition] {
        if case .scalar("") = node { return [] }
        guard case .mapping(let workers) = node, workers.count <= workersMost else {
            let problem = "must be a mapping of at most \(workersMost) names of workers to their settings"
            throw DefinitionErrors(errors: [DefinitionError(worker: "", field: "", problem: problem)])
        }
        var definitions: [WorkerDefinition] = []
        var errors: [DefinitionError] = []
        for (name, node) in workers {
            var reader = DefinitionReader(worker: name)
            if let definition = read(name, node, with: &reader) { definitions.append(definition) }
            errors += reader.errors
        }
        guard errors.isEmpty else { throw DefinitionErrors(errors: errors) }
        return definitions
    }

    private static func read(
        _ text: String, _ node: DefinitionNode, with reader: inout DefinitionReader
    ) -> WorkerDefinition? {
        let name = WorkerName(text)
        if name == nil {
            reader.fail(
                "",
                "is no name for a worker; it must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter, "
                    + "digit or '_'")
        }
        guard let section = reader.section(node, path: "", keys: keys) else { return nil }
        let command = command(of: section, with: &reader)
        guard let name, let command else { return nil }
        let mode = reader.choice("mode", of: section, as: Mode.self) ?? .exec
        var definition = WorkerDefinition(name: name, queue: nil, command: command, mode: mode)
        definition.readFeeding(section, with: &reader)
        definition.readProcess(section, with: &reader)
        definition.readSupervision(section, with: &reader)
        definition.check(section, with: &reader)
        return definition
    }

    private static func command(
        of section: DefinitionReader.Section, with reader: inout DefinitionReader
    ) -> [String]? {
        var words: [String]?
        switch section["command"] {
        case nil:
            reader.fail("command", "is missing; it names the program and its arguments, such as [./resize.sh, --fast]")
            return nil
        case .sequence:
            words = reader.texts("command", of: section)
            if words == nil { return nil }
        case .scalar(let text):
            do throws(CommandWords.Problem) {
                words = try CommandWords.split(text)
            } catch {
                reader.fail("command", "is '\(text)'\(error.description)")
                return nil
            }
        case .mapping: break
        }
        guard let words, let program = words.first, !program.isEmpty, !words.contains(where: { $0.utf8.contains(0) })
        else {
            let given = section["command"] ?? .scalar("")
            reader.fail("command", given, mustBe: "a program and its arguments, such as [./resize.sh, --fast]")
            return nil
        }
        return words
    }

    // MARK: Where messages come from

    private mutating func readFeeding(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
        queue = Self.name("queue", of: section, with: &reader)
        virtualHost = Self.name("vhost", of: section, with: &reader) ?? virtualHost
        resultQueue = Self.name("result-queue", of: section, with: &reader)
        prefetch = reader.number("prefetch", of: section, in: 1...65_535).map(Int.init) ?? prefetch
        processes = Self.processes(of: section, with: &reader) ?? processes
        timeLimit = reader.duration("time-limit", of: section, from: 1)
        exitCodes = Self.exitCodes(of: section, with: &reader) ?? exitCodes
        retry = Self.retry(of: section, with: &reader) ?? retry
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
        guard let part = reader.section("retry", of: section, keys: ["attempts", "delay", "delays"] + growing) else {
            return nil
        }
        var rule = RetryRule()
        let found =
            ["delay", "delays"].filter { part[$0] != nil } + (growing.contains { part[$0] != nil } ? ["first"] : [])
        if found.count > 1 {
            reader.fail("retry", "has \(found.joined(separator: " and ")); say one of delay, delays, or first and most")
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
        case "first":
            let standard = ExponentialDelay(first: 1_000, most: 3_600_000)
            rule.pace = .exponential(reader.growingDelay(part, standard: standard))
        default: break
        }
        rule.attempts = reader.number("attempts", of: part, in: 1...1_000_000).map(Int.init) ?? rule.attempts
        return rule
    }

    // MARK: The process

    private mutating func readProcess(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
        directory = reader.text("directory", of: section)
        user = reader.text("user", of: section)
        group = reader.text("group", of: section)
        nice = reader.number("nice", of: section, in: -20...19).map(Int.init)
        if let node = section["umask"] {
            if case .scalar(let text) = node, let mask = UInt32(text, radix: 8), mask <= 0o777, text.first != "+" {
                umask = mask
            } else {
                reader.fail("umask", node, mustBe: "an octal mask from 0 to 0777, such as 0027")
            }
        }
        readEnvironment(section, with: &reader)
        let keys = ["memory", "cpu", "open-files", "processes"]
        if let part = reader.section("limits", of: section, keys: keys) {
            limits.memory = reader.size(keys[0], of: part, in: (1 << 20)...(1 << 50))
            if let cpu = reader.duration(keys[1], of: part, from: 1_000) {
                if cpu % 1_000 == 0 {
                    limits.cpuSeconds = cpu / 1_000
                } else {
                    reader.fail("limits.cpu", "is '\(part[keys[1]]?.text ?? "")'; it must be whole seconds")
                }
            }
            limits.openFiles = reader.number(keys[2], of: part, in: 8...1_048_576)
            limits.processes = reader.number(keys[3], of: part, in: 1...4_194_304)
        }
    }

    private mutating func readEnvironment(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
        if let node = section["environment"] {
            if case .mapping(let variables) = node {
                for (variable, value) in variables {
                    // A value may be a secret, so none is in an error.
                    guard !variable.isEmpty, !variable.contains("="), !variable.utf8.contains(0) else {
                        reader.fail("environment", "has a variable '\(variable)'; a name is not empty and has no '='")
                        continue
                    }
                    guard case .scalar(let text) = value, !text.utf8.contains(0) else {
                        reader.fail("environment.\(variable)", "must be one text")
                        continue
                    }
                    environment[variable] = text
                }
            } else {
                reader.fail("environment", "must be lines of the form `NAME: value`")
            }
        }
        guard let names = reader.texts("pass-environment", of: section) else { return }
        for name in names where name.isEmpty || name.contains("=") || name.dropLast().contains("*") {
            reader.fail("pass-environment", "has '\(name)'; it must be a name, or the beginning of one and a '*'")
        }
        passEnvironment = names
    }

    // MARK: Start and stop

    private mutating func readSupervision(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
        restart = reader.choice("restart", of: section, as: RestartPolicy.self) ?? restart
        startLimit = reader.duration("start-limit", of: section, from: 100) ?? startLimit
        let keys = ["first", "most", "factor", "jitter", "reset-after", "crashes"]
        if let part = reader.section("backoff", of: section, keys: keys) {
            backoff.delay = reader.growingDelay(part, standard: backoff.delay, from: 10)
            backoff.resetAfter = reader.duration("reset-after", of: part) ?? backoff.resetAfter
            backoff.crashes = reader.number("crashes", of: part, in: 1...1_000_000).map(Int.init) ?? backoff.crashes
        }
        guard let part = reader.section("stop", of: section, keys: ["signal", "grace"]) else { return }
        stop.grace = reader.duration("grace", of: part) ?? stop.grace
        if let text = reader.text("signal", of: part) {
            if let signal = Signal(text), signal != .stop {
                stop.signal = signal
            } else {
                reader.fail("stop.signal", .scalar(text), mustBe: "a signal that ends a process, such as TERM or INT")
            }
        }
    }

    // MARK: What does not go together

    private func check(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
        if queue == nil, section["queue"] == nil, mode != .client || isScaled {
            let reason = isScaled && mode == .client ? "its number of processes follows a queue" : "it is fed from one"
            reader.fail("queue", "is missing; the worker needs it, because \(reason)")
        }
        let foreign: [(key: String, modes: [Mode])] = [
            ("prefetch", [.stream, .client]), ("start-limit", [.stream, .client]), ("restart", [.stream, .client]),
            ("exit-codes", [.exec]), ("result-queue", [.exec]),
        ]
        for (key, modes) in foreign where section[key] != nil && !modes.contains(mode) {
            let names = modes.map(\.rawValue).joined(separator: " and ")
            reader.fail(
                key, "is for mode \(names); the mode is \(mode.rawValue), so remove the line or change the mode")
        }
        if section["autoscale"] != nil, section["processes"] == nil || !isScaled {
            reader.fail("autoscale", "needs a range of processes, such as processes: 1-8")
        }
    }
}

extension DefinitionReader {
    /// `first`, `most`, `factor` and `jitter`.
    fileprivate mutating func growingDelay(
        _ section: Section, standard: ExponentialDelay, from least: Int64 = 0
    ) -> ExponentialDelay {
        var delay = standard
        let first = duration("first", of: section, from: least)
        let most = duration("most", of: section, from: least)
        delay.first = first ?? min(delay.first, most ?? delay.first)
        delay.most = most ?? max(delay.most, delay.first)
        delay.factor = factor("factor", of: section, to: 100) ?? delay.factor
        delay.jitter = part("jitter", of: section) ?? delay.jitter
        if delay.first > delay.most {
            let given = Quantity.text(milliseconds: delay.first)
            let other = Quantity.text(milliseconds: delay.most)
            fail(section.path(of: "first"), "is '\(given)'; it must be at most \(section.path(of: "most")), \(other)")
            return standard
        }
        return delay
    }
}
