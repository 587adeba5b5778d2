internal import OrderedCollections

extension WorkerDefinition {
    /// What the process is started with.
    mutating func readProcess(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
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

    /// When it is started again, and how it is stopped.
    mutating func readSupervision(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
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
}
