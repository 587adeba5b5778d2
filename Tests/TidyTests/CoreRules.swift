/// What must not stand in ColaCore. It is a function of state, command and time, so that a seed replays a whole run; a
/// clock, a thread, a random number or the order of a hash table would end that.
enum CoreRules {
    private static let deterministic = "the core is pure, so that a seed replays it"

    /// Computed, because a `Regex` may not be shared. Word boundaries are meant in the simple sense: in Unicode's,
    /// `Task.detached` is one word.
    private static var forbidden: [(pattern: Regex<Substring>, name: String, reason: String)] {
        [
            (/\bFoundation\b/, "Foundation", "the core stands on the standard library"),
            (/\bDispatch/, "Dispatch", "the core has no threads; the loop calls it"),
            (/\bDate\(/, "Date(", "time comes in as `now`; " + deterministic),
            (/\b(?:Continuous|Suspending)Clock\b/, "a clock", "time comes in as `now`; " + deterministic),
            (/\bclock_gettime\b|\bgettimeofday\b/, "a clock", "time comes in as `now`; " + deterministic),
            (/\bprint\(/, "print(", "the core does no I/O; return an effect"),
            (/\btry!/, "try!", "what a client or disk can cause must not end the process"),
            (/\bfatalError\b/, "fatalError", "a bug in Cola is a precondition with its values"),
            (/\bTask\s*[.({<]/, "Task", "the core has no tasks; the loop calls it"),
            (/\basync\b/, "async", "no turn of the core may be suspended"),
            (/\bawait\b/, "await", "no turn of the core may be suspended"),
            (/\bactor\s+[A-Z]/, "an actor", "one loop owns the core"),
            (/\bMutex\b|\bAtomic\b/, "a lock", "one loop owns the core"),
            (/\bgetenv\b|\bProcessInfo\b/, "the environment", "settings come in as values"),
            (/\bSystemRandomNumberGenerator\b/, "SystemRandomNumberGenerator", "pass a generator in; " + deterministic),
        ]
    }

    static func check(_ file: TextFile) -> [Finding] {
        guard file.target == "ColaCore" else { return [] }
        let lines = SwiftCode(file).lines
        var findings: [Finding] = []
        for (index, line) in lines.enumerated() {
            for rule in forbidden where line.contains(rule.pattern.wordBoundaryKind(.simple)) {
                findings.append(Finding(file, index, "\(rule.name) in ColaCore", because: rule.reason))
            }
            // A call may go on over a few lines.
            let call = lines[index..<min(index + 3, lines.count)].joined(separator: " ")
            if line.contains(/\.(?:random|randomElement|shuffle|shuffled)\(/), !call.contains("using:") {
                findings.append(Finding(file, index, "randomness without `using:` in ColaCore", because: deterministic))
            }
        }
        return findings + iterationOverHashes(file, lines)
    }

    /// Members that go through a collection, or take what comes first.
    private static let walks: Set = [
        "map", "flatMap", "compactMap", "forEach", "filter", "reduce", "first", "enumerated", "makeIterator",
        "popFirst", "randomElement",
    ]

    /// The order of a `Set` or `Dictionary` changes from run to run. Only what this file declares as one is seen.
    private static func iterationOverHashes(_ file: TextFile, _ lines: [String]) -> [Finding] {
        let declaration = /\b(?:var|let)\s+(\w+)\s*(?::|=)\s*(?:Set<|Dictionary<|Set\(|\[[^\[\]:(]+:\s*[^\]]+\])/
            .wordBoundaryKind(.simple)
        let names = Set(lines.flatMap { $0.matches(of: declaration).map { String($0.output.1) } })
        guard !names.isEmpty else { return [] }
        let loop = /\bfor\s+.*\bin\s+(?:self\.)?(\w+)(?:\.(?:keys|values|enumerated\(\)))?\s*(?:where\b.*)?\{/
            .wordBoundaryKind(.simple)
        let call = /\b(\w+)\.(?:(?:keys|values)\.)?(\w+)\b/
            .wordBoundaryKind(.simple)
        var findings: [Finding] = []
        for (index, line) in lines.enumerated() where !line.contains(".sorted") {
            let loops = line.matches(of: loop).map { String($0.output.1) }
            let calls = line.matches(of: call).filter { walks.contains(String($0.output.2)) }
            let used = loops + calls.map { String($0.output.1) }
            for name in Set(used).intersection(names).sorted() where !ReasonRules.hasReason(file, index) {
                findings.append(
                    Finding(
                        file, index, "the order of `\(name)`, a Set or Dictionary, in ColaCore",
                        because:
                            "it differs from run to run; use an ordered collection, sort it, or say why it is harmless")
                )
            }
        }
        return findings
    }
}
