internal import ColaCore
internal import OrderedCollections

extension WorkerDefinition {
    /// What one would write for it: every setting that is not as it is by default, in the order of ``keys``. Reading it
    /// leads to the same definition.
    package var node: DefinitionNode {
        var standard = WorkerDefinition(name: name, queue: nil, command: [], mode: mode)
        standard.prefetch = Self.prefetchDefault(mode)
        var fields = Fields()
        fields.put("queue", queue)
        fields.put("vhost", virtualHost, unless: standard.virtualHost)
        fields["command"] = .sequence(command.map(DefinitionNode.scalar))
        fields.put("mode", mode.rawValue, unless: Mode.exec.rawValue)
        fields.put("format", format.rawValue, unless: standard.format.rawValue)
        fields.put("ready", ready.rawValue, unless: standard.ready.rawValue)
        fields.put("processes", processesText, unless: "1")
        fields.put("prefetch", "\(prefetch)", unless: "\(standard.prefetch)")
        fields.put("directory", directory)
        fields.put("user", user)
        fields.put("group", group)
        fields.put("umask", umask.map { "0" + String($0, radix: 8) })
        fields.put("nice", nice.map { "\($0)" })
        fields.put("environment", .mapping(environment.mapValues(DefinitionNode.scalar)))
        if passEnvironment != standard.passEnvironment {
            fields["pass-environment"] = .sequence(passEnvironment.map(DefinitionNode.scalar))
        }
        fields.put("limits", limitsNode)
        fields.put("restart", restart.rawValue, unless: standard.restart.rawValue)
        fields.put("backoff", backoffNode(standard.backoff))
        fields.put("stop", stopNode(standard.stop))
        fields.put("time-limit", timeLimit.map(Quantity.text(milliseconds:)))
        fields.put("exit-codes", exitCodesNode(standard.exitCodes))
        fields.put("retry", retryNode)
        fields.put("result-queue", resultQueue)
        fields.put("start-limit", milliseconds: startLimit, unless: standard.startLimit)
        fields.put("autoscale", autoscaleNode(standard.autoscale))
        return .mapping(fields)
    }

    /// What stands behind `workers:` for these.
    package static func node(of definitions: [WorkerDefinition]) -> DefinitionNode {
        .mapping(Fields(uniqueKeysWithValues: definitions.map { ($0.name.description, $0.node) }))
    }

    private typealias Fields = OrderedDictionary<String, DefinitionNode>

    private var processesText: String {
        isScaled ? "\(processes.lowerBound)-\(processes.upperBound)" : "\(processes.lowerBound)"
    }

    private var limitsNode: DefinitionNode {
        var fields = Fields()
        fields.put("memory", limits.memory.map(Quantity.text(bytes:)))
        fields.put("cpu", limits.cpuSeconds.map { Quantity.text(milliseconds: $0 * 1_000) })
        fields.put("open-files", limits.openFiles.map { "\($0)" })
        fields.put("processes", limits.processes.map { "\($0)" })
        return .mapping(fields)
    }

    private func backoffNode(_ standard: Backoff) -> DefinitionNode {
        var fields = Self.fields(of: backoff.delay, unless: standard.delay)
        fields.put("reset-after", milliseconds: backoff.resetAfter, unless: standard.resetAfter)
        fields.put("crashes", "\(backoff.crashes)", unless: "\(standard.crashes)")
        return .mapping(fields)
    }

    /// Its ends stand together, because what is not written of them follows the other.
    private static func fields(of delay: ExponentialDelay, unless standard: ExponentialDelay) -> Fields {
        var fields = Fields()
        if (delay.first, delay.most) != (standard.first, standard.most) {
            fields["first"] = .scalar(Quantity.text(milliseconds: delay.first))
            fields["most"] = .scalar(Quantity.text(milliseconds: delay.most))
        }
        let factor = delay.factor == delay.factor.rounded() ? "\(Int(delay.factor))" : "\(delay.factor)"
        if delay.factor != standard.factor { fields["factor"] = .scalar(factor) }
        if delay.jitter != standard.jitter { fields["jitter"] = .scalar("\(Int((delay.jitter * 100).rounded()))%") }
        return fields
    }

    private func stopNode(_ standard: Stop) -> DefinitionNode {
        var fields = Fields()
        let names = (stop.signal.description.hasPrefix("SIG"), stop.signal.description.dropFirst(3))
        if stop.signal != standard.signal {
            fields["signal"] = .scalar(names.0 ? String(names.1) : "\(stop.signal.number)")
        }
        fields.put("grace", milliseconds: stop.grace, unless: standard.grace)
        return .mapping(fields)
    }

    private func exitCodesNode(_ standard: ExitCodeMap) -> DefinitionNode {
        guard exitCodes != standard else { return .mapping([:]) }
        var fields = Fields()
        for rule in exitCodes.rules {
            let ends = rule.codes.count == 1 ? "" : "-\(rule.codes.upperBound)"
            fields["\(rule.codes.lowerBound)\(ends)"] = .scalar(rule.outcome.rawValue)
        }
        fields.put("others", exitCodes.others.rawValue, unless: standard.others.rawValue)
        fields.put("signal", exitCodes.signal.rawValue, unless: standard.signal.rawValue)
        return .mapping(fields)
    }

    private var retryNode: DefinitionNode {
        guard let retry = ownRetry else { return .mapping([:]) }
        var fields: Fields = ["attempts": .scalar("\(retry.attempts)")]
        switch retry.pace {
        case .fixed(let delay): fields["delay"] = .scalar(Quantity.text(milliseconds: delay))
        case .list(let delays):
            fields["delays"] = .sequence(delays.map { .scalar(Quantity.text(milliseconds: $0)) })
        case .linear(let step, let most):
            fields["step"] = .scalar(Quantity.text(milliseconds: step))
            fields["most"] = .scalar(Quantity.text(milliseconds: most))
        case .exponential(let delay):
            fields.merge(Self.fields(of: delay, unless: RetryRule.growing)) { _, new in new }
        }
        return .mapping(fields)
    }

    private func autoscaleNode(_ standard: Autoscale) -> DefinitionNode {
        var fields = Fields()
        fields.put("drain-within", milliseconds: autoscale.drainWithin, unless: standard.drainWithin)
        fields.put("age", milliseconds: autoscale.age, unless: standard.age)
        fields.put("idle-for", milliseconds: autoscale.idleFor, unless: standard.idleFor)
        return .mapping(fields)
    }
}

extension OrderedDictionary<String, DefinitionNode> {
    fileprivate mutating func put(_ key: String, _ text: String?, unless standard: String? = nil) {
        if let text, text != standard { self[key] = .scalar(text) }
    }

    fileprivate mutating func put(_ key: String, milliseconds: Int64, unless standard: Int64) {
        put(key, Quantity.text(milliseconds: milliseconds), unless: Quantity.text(milliseconds: standard))
    }

    /// A mapping that is not empty.
    fileprivate mutating func put(_ key: String, _ node: DefinitionNode) {
        if node != .mapping([:]) { self[key] = node }
    }
}
