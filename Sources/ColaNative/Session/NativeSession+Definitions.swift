internal import ColaCore

// `declare`, `delete`, `alter`, policies and bindings.
extension NativeSession {
    mutating func declare(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let kind = try reader.text("queue, topic, exchange or vhost")
        switch kind {
        case "queue":
            var queue = QueueDeclaration(name: try reader.text("NAME"))
            queue.isDurable = try reader.truth("durable") ?? true
            queue.isExclusive = try reader.truth("exclusive") ?? false
            queue.isAutoDelete = try reader.truth("auto-delete") ?? false
            queue.arguments = try arguments(&reader, of: "queues", \.isOfQueues)
            try reader.end()
            request(.declareQueue(queue), reader.tag)
        case "topic":
            let name = try reader.name()
            let partitions = try reader.optionNumber("partitions", in: 1...1_000)
            let arguments = try arguments(&reader, of: "topics", \.isOfTopics)
            try reader.end()
            request(.declareTopic(name: name, partitions: partitions.map { Int($0) }, arguments), reader.tag)
        case "exchange":
            let name = try reader.name()
            let declaration = try exchange(&reader, name)
            try reader.end()
            request(.declareExchange(declaration), reader.tag)
        case "vhost":
            let name = try reader.name()
            let change = try virtualHostChange(&reader)
            try reader.end()
            request(.declareVirtualHost(name: name, change), reader.tag)
        default: throw RequestReader.Malformed("'\(kind)' is none of queue, topic, exchange and vhost")
        }
    }

    private func exchange(
        _ reader: inout RequestReader, _ name: String
    ) throws(RequestReader.Malformed) -> ExchangeDeclaration {
        guard let kind = try reader.choice("type", of: ExchangeDefinition.Kind.self) else {
            let kinds = ExchangeDefinition.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw RequestReader.Malformed("an exchange needs type=, one of \(kinds)")
        }
        var declaration = ExchangeDeclaration(name: name, kind: kind)
        declaration.isDurable = try reader.truth("durable") ?? true
        declaration.isAutoDelete = try reader.truth("auto-delete") ?? false
        declaration.isInternal = try reader.truth("internal") ?? false
        declaration.isDelayed = try reader.truth("delayed") ?? false
        declaration.alternate = try reader.optionName("alternate")
        let header = try reader.optionName("hash-header")
        let property = try reader.choice(
            "hash-property",
            ["message-id": "message_id", "correlation-id": "correlation_id", "timestamp": "timestamp"])
        if header != nil || property != nil, kind != .consistentHash {
            throw RequestReader.Malformed("hash-header= and hash-property= are for type=x-consistent-hash")
        }
        declaration.arguments[ExchangeArgument.hashHeader] = header.map { .text($0) }
        declaration.arguments[ExchangeArgument.hashProperty] = property.map { .text($0) }
        if let length = try reader.optionNumber("recent-history-length", in: 1...10_000) {
            guard kind == .recentHistory else {
                throw RequestReader.Malformed("recent-history-length= is for type=x-recent-history")
            }
            declaration.arguments[ExchangeArgument.historyLength] = .integer(length)
        }
        return declaration
    }

    mutating func delete(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let kind = try reader.text("queue, topic, exchange, vhost, user or group")
        let name = try reader.name(kind == "group" ? "TOPIC" : "NAME")
        let request: Request
        switch kind {
        case "queue":
            request = .deleteQueue(
                name: name, ifUnused: try reader.truth("if-unused") ?? false,
                ifEmpty: try reader.truth("if-empty") ?? false)
        case "topic": request = .deleteTopic(name: name)
        case "exchange": request = .deleteExchange(name: name, ifUnused: try reader.truth("if-unused") ?? false)
        case "vhost": request = .deleteVirtualHost(name: name)
        case "user": request = .deleteUser(name: name)
        case "group": request = .deleteGroup(topic: name, group: try reader.name("GROUP"))
        default: throw RequestReader.Malformed("'\(kind)' is none of queue, topic, exchange, vhost, user and group")
        }
        try reader.end()
        self.request(request, reader.tag)
    }

    mutating func alter(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let name = try reader.name()
        var set = Arguments()
        var clear: [Argument] = []
        var seen: Set<Argument> = []
        for text in try reader.option("clear")?.split(separator: ",") ?? [] {
            guard let argument = Argument.named(String(text)) else {
                throw RequestReader.Malformed("clear= names arguments, and '\(text)' is none")
            }
            guard seen.insert(argument).inserted else {
                throw RequestReader.Malformed("clear= names \(text) twice")
            }
            clear.append(argument)
        }
        try reader.eachOption { (option, value) throws(RequestReader.Malformed) in
            guard let argument = Argument.named(option) else { return false }
            guard seen.insert(argument).inserted else {
                throw RequestReader.Malformed("\(option)= stands there twice, or is cleared as well")
            }
            if value.isEmpty, !argument.mayBeEmpty {
                clear.append(argument)
            } else {
                try argument.read(value, to: &set)
            }
            return true
        }
        try reader.end()
        guard !seen.isEmpty else { throw RequestReader.Malformed("alter needs an ARGUMENT=VALUE, or clear=ARGUMENT") }
        request(.alter(name: name, set: set, clear: clear), reader.tag)
    }

    mutating func setPolicy(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let name = try reader.name()
        guard let pattern = try reader.option("pattern") else {
            throw RequestReader.Malformed("a policy needs pattern=REGEX, which says for which names it is")
        }
        let appliesTo = try reader.choice("to", of: PolicyDefinition.AppliesTo.self) ?? .all
        let priority = try reader.optionNumber("priority", in: 0...2_147_483_647) ?? 0
        let arguments = try arguments(&reader, of: "policies for \(appliesTo.rawValue)", appliesTo.takes)
        try reader.end()
        guard !arguments.isEmpty else { throw RequestReader.Malformed("a policy needs at least one ARGUMENT=VALUE") }
        let policy = PolicyDefinition(
            host: host, name: name, pattern: pattern, appliesTo: appliesTo, priority: Int(priority),
            arguments: arguments)
        request(.setPolicy(policy), reader.tag)
    }

    mutating func bind(_ verb: Verb, _ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let source = try reader.name("EXCHANGE")
        let destination = try reader.name()
        let key = try reader.option("key") ?? ""
        let target = try reader.choice("to", of: BindingDefinition.Target.self) ?? .queue
        var match = HeadersMatch(isAny: try reader.choice("match", ["any": true, "all": false]) ?? false)
        try reader.eachHeader { (name, value) throws(RequestReader.Malformed) in
            guard let name = String(validating: name, as: UTF8.self),
                let value = String(validating: value, as: UTF8.self)
            else { throw RequestReader.Malformed("what a binding compares headers with is UTF-8") }
            guard !match.headers.contains(where: { $0.name == name }) else {
                throw RequestReader.Malformed("h.\(name)= stands there twice")
            }
            match.headers.append(.init(name: name, value: value.isEmpty ? nil : value))
        }
        match.headers.sort { $0.name < $1.name }
        try reader.end()
        let binding = BindingDefinition(
            host: host, source: source, target: target, destination: destination, routingKey: key,
            arguments: match.arguments)
        request(verb == .bind ? .bind(binding) : .unbind(binding), reader.tag)
    }

    mutating func redrive(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let name = try reader.name()
        let target = try reader.optionName("to")
        let count = try reader.optionNumber("count", in: 1...Int64.max).map { Int($0) }
        let rate = try reader.optionNumber("rate", in: 1...1_000_000).map { Int($0) }
        let filter = try deathFilter(&reader)
        try reader.end()
        request(.redrive(name: name, target: target, count: count, filter: filter, rate: rate), reader.tag)
    }

    private func deathFilter(_ reader: inout RequestReader) throws(RequestReader.Malformed) -> DeathFilter {
        var filter = DeathFilter()
        filter.reason = try reader.choice("reason", of: DeathReason.self)
        filter.queue = try reader.optionName("from")
        filter.end = try reader.choice("end", of: Attempt.End.self)
        filter.key = try reader.option("key").map { Array($0.utf8) }
        filter.text = try reader.optionName("text").map { Array($0.utf8) }
        filter.oldest = try reader.optionNumber("older-than", in: 0...Argument.millisecondsMax)
        filter.youngest = try reader.optionNumber("younger-than", in: 0...Argument.millisecondsMax)
        var headers: [DeathFilter.Header] = []
        try reader.eachHeader { (name, value) throws(RequestReader.Malformed) in
            headers.append(DeathFilter.Header(name: name, value: value))
        }
        filter.headers = headers
        return filter
    }

    private func arguments(
        _ reader: inout RequestReader, of what: String, _ isMeant: (Argument) -> Bool
    ) throws(RequestReader.Malformed) -> Arguments {
        var arguments = Arguments()
        var seen: Set<Argument> = []
        try reader.eachOption { (option, value) throws(RequestReader.Malformed) in
            guard let argument = Argument.named(option) else { return Argument.isWithoutEffect(option) }
            guard isMeant(argument) else {
                let known = Argument.allCases.filter(isMeant).map(\.rawValue).joined(separator: ", ")
                throw RequestReader.Malformed("\(option) is not an argument of \(what), which have: \(known)")
            }
            guard seen.insert(argument).inserted else {
                throw RequestReader.Malformed("\(option)= stands there twice")
            }
            try argument.read(value, to: &arguments)
            return true
        }
        return arguments
    }
}

extension Argument {
    /// Whether a text of no bytes says something: the default exchange, and the empty routing key.
    fileprivate var mayBeEmpty: Bool { self == .deadLetterExchange || self == .deadLetterRoutingKey }

    fileprivate func read(_ text: String, to arguments: inout Arguments) throws(RequestReader.Malformed) {
        do throws(Refusal) {
            try set(text, in: &arguments)
        } catch {
            throw RequestReader.Malformed(error.sentence)
        }
    }
}
