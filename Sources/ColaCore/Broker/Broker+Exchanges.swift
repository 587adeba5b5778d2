internal import DequeModule
internal import OrderedCollections

// Exchanges and bindings.
extension Broker {
    func declareExchange(
        _ declaration: ExchangeDeclaration, _ id: RequestID, for channel: Channel, in host: VirtualHost
    ) {
        let definition = declaration.definition(in: host.name)
        guard checkNotDefault(definition.name, "declared", id, for: channel) else { return }
        if let found = host.router.exchanges[definition.name]?.definition {
            if !declaration.isPassive, let difference = found.difference(from: definition) {
                return refuse(
                    channel, id,
                    .mismatch("\(difference); delete the exchange first, or choose another name"))
            }
            if found.isDurable { relyOnDefinitions(channel) }
            return respond(channel, id, .done)
        }
        if let topic = host.router.superStream(named: definition.name) {
            return declare(definition, isPassive: declaration.isPassive, as: topic, id, for: channel)
        }
        guard !declaration.isPassive else { return refuse(channel, id, .notFound(.exchange, name: definition.name)) }
        if let error = nameError(definition.name) { return refuse(channel, id, error) }
        if let problem = definition.problem { return refuse(channel, id, .badArgument(problem)) }
        guard hosts.values.reduce(0, { $0 + $1.router.exchanges.count }) < limits.exchangesMax else {
            return refuse(channel, id, .limit(what: "exchanges", limit: limits.exchangesMax, setting: ""))
        }
        host.router.add(definition)
        if let exchange = host.router.exchanges[definition.name] { refreshArguments(of: exchange, in: host) }
        if definition.isDurable {
            change(.put(.exchange(definition)))
            didChange(channel)
        }
        respond(channel, id, .done)
    }

    func deleteExchange(
        _ name: String, ifUnused: Bool, _ id: RequestID, for channel: Channel, in host: VirtualHost
    ) {
        guard checkNotDefault(name, "deleted", id, for: channel) else { return }
        guard !name.hasPrefix("amq.") else {
            return refuse(
                channel, id,
                .permanent(
                    "deletion of system exchange '\(name)' in vhost '\(host.name)' not allowed: what begins with amq. "
                        + "is the broker's own"))
        }
        guard let exchange = host.router.exchanges[name] else {
            if let topic = host.router.superStream(named: name) {
                return refuse(
                    channel, id,
                    .mismatch("\(topic.superStreamSentence); delete it with `cola delete topic \(name)`"))
            }
            guard !channel.info.isStrict else { return respond(channel, id, .done) }
            return refuse(channel, id, .notFound(.exchange, name: name))
        }
        if ifUnused, !host.router.bindings(from: name).isEmpty {
            return refuse(channel, id, .inUse("exchange '\(name)' in vhost '\(host.name)' in use: it has bindings"))
        }
        delete(exchange, from: host)
        if exchange.definition.isDurable { didChange(channel) }
        respond(channel, id, .done)
    }

    /// With it go its bindings, and with these the exchanges that go with their last one, and so on.
    func delete(_ exchange: Exchange, from host: VirtualHost) {
        var going = [exchange]
        while let exchange = going.popLast() {
            let definition = exchange.definition
            guard host.router.exchanges[definition.name] === exchange else { continue }
            historyBytes -= exchange.history?.bytes ?? 0
            for binding in host.router.removeExchange(definition.name) {
                if definition.isDurable, isDurable(binding, in: host) { change(.remove(.binding(binding))) }
                if let source = host.router.exchanges[binding.source], source.isOver { going.append(source) }
            }
            if definition.isDurable { change(.remove(.exchange(definition))) }
        }
    }

    // MARK: Bindings

    func bind(
        _ binding: BindingDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        if let topic = host.router.superStream(named: binding.source) {
            return bind(binding, of: topic, id, for: channel, in: host)
        }
        guard checkEnds(of: binding, id, for: channel, in: host) else { return }
        let count = hosts.values.reduce(0) { $0 + $1.router.bindingCount }
        // One that is there already needs no more room.
        let isThere = { host.router.bindings(of: binding.destination, target: binding.target).contains(binding) }
        guard count < limits.bindingsMax || isThere() else {
            return refuse(channel, id, .limit(what: "bindings", limit: limits.bindingsMax, setting: ""))
        }
        if host.router.add(binding) {
            if isDurable(binding, in: host) {
                change(.put(.binding(binding)))
                didChange(channel)
            }
            if let history = host.router.exchanges[binding.source]?.history {
                replay(history, to: binding, for: channel, in: host, at: now)
            }
        } else {
            relyOnDefinitions(channel)
        }
        respond(channel, id, .done)
    }

    func unbind(_ binding: BindingDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost) {
        guard checkNotDefault(binding, "unbound", id, for: channel) else { return }
        if let topic = host.router.superStream(named: binding.source) {
            return refuse(channel, id, .mismatch(topic.bindingSentence))
        }
        guard let source = host.router.exchanges[binding.source] else {
            // As RabbitMQ: there is no such binding, which is all that was asked for.
            if channel.info.isStrict {
                relyOnDefinitions(channel)
                return respond(channel, id, .done)
            }
            return refuse(channel, id, .notFound(.exchange, name: binding.source))
        }
        if binding.target == .queue, case .queue(let queue) = host.router.destination(named: binding.destination),
            let error = lockError(queue, channel)
        {
            return refuse(channel, id, error)
        }
        let isDurable = isDurable(binding, in: host)
        if host.router.remove(binding) {
            if isDurable { change(.remove(.binding(binding))) }
            if source.isOver { delete(source, from: host) }
            if isDurable || source.isOver && source.definition.isDurable { didChange(channel) }
        } else {
            relyOnDefinitions(channel)
        }
        respond(channel, id, .done)
    }

    private func checkEnds(
        of binding: BindingDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost
    ) -> Bool {
        guard checkNotDefault(binding, "bound", id, for: channel) else { return false }
        guard let source = host.router.exchanges[binding.source] else {
            refuse(channel, id, .notFound(.exchange, name: binding.source))
            return false
        }
        switch binding.target {
        case .exchange:
            guard host.router.exchanges[binding.destination] != nil else {
                if let topic = host.router.superStream(named: binding.destination) {
                    refuse(channel, id, .mismatch("\(topic.superStreamSentence); bind it as a queue"))
                    return false
                }
                refuse(channel, id, .notFound(.exchange, name: binding.destination))
                return false
            }
        case .queue:
            guard let destination = host.router.destination(named: binding.destination) else {
                refuse(channel, id, .notFound(.queueOrTopic, name: binding.destination))
                return false
            }
            if case .queue(let queue) = destination, let error = lockError(queue, channel) {
                refuse(channel, id, error)
                return false
            }
            if case .partition(let partition) = destination {
                let name = partition.topic.name
                refuse(channel, id, .mismatch("\(partition.sentence); bind '\(name)', or publish to it as an exchange"))
                return false
            }
        }
        if let problem = problem(of: binding, from: source.definition) {
            refuse(channel, id, .badArgument(problem))
            return false
        }
        return true
    }

    /// What the kind of the exchange asks of its bindings.
    private func problem(of binding: BindingDefinition, from source: ExchangeDefinition) -> String? {
        switch source.kind {
        case .headers: return HeadersMatch.problem(of: binding.arguments)
        case .consistentHash:
            guard ConsistentHashTable.weight(of: binding.routingKey) == nil else { return nil }
            return "the routing key of a binding to '\(source.name)' is its weight, a number from 1 on, not "
                + "'\(binding.routingKey)'"
        case .superStream:
            guard SuperStreamTable.number(of: binding.routingKey) == nil else { return nil }
            return "the binding key must be an integer: '\(source.name)' is a super stream, whose bindings have the "
                + "numbers of its partitions from 0 on as their keys, not '\(binding.routingKey)'"
        case .direct, .fanout, .topic, .modulusHash, .random, .localRandom, .recentHistory: return nil
        }
    }

    private func checkNotDefault(
        _ binding: BindingDefinition, _ done: String, _ id: RequestID, for channel: Channel
    ) -> Bool {
        guard checkNotDefault(binding.source, done, id, for: channel) else { return false }
        return binding.target == .queue || checkNotDefault(binding.destination, done, id, for: channel)
    }

    /// The exchange without a name leads to every queue by its name, and to nothing else.
    private func checkNotDefault(_ name: String, _ done: String, _ id: RequestID, for channel: Channel) -> Bool {
        guard name.isEmpty else { return true }
        refuse(
            channel, id,
            .forbidden(
                "operation not permitted on the default exchange: it cannot be \(done), as it leads to each queue by "
                    + "its name; use one with a name, such as amq.direct"))
        return false
    }

    /// Whether both ends of it are there after a restart, as far as they are there now.
    private func isDurable(_ binding: BindingDefinition, in host: VirtualHost) -> Bool {
        guard host.router.exchanges[binding.source]?.definition.isDurable != false else { return false }
        switch binding.target {
        case .exchange: return host.router.exchanges[binding.destination]?.definition.isDurable != false
        case .queue:
            guard case .queue(let queue) = host.router.destinations[binding.destination] else { return true }
            return queue.isDurable
        }
    }

    /// The queue or topic is gone.
    func removeBindings(of destination: String, in host: VirtualHost, isDurable: Bool) {
        let gone = host.router.removeDestination(destination)
        for binding in gone {
            guard let source = host.router.exchanges[binding.source] else { continue }
            if isDurable, source.definition.isDurable { change(.remove(.binding(binding))) }
            if source.isOver { delete(source, from: host) }
        }
    }

    // MARK: Histories

    /// The exchanges that the message came by keep it for what is bound later.
    func keep(_ publish: Publish, in exchanges: [Exchange]) {
        for exchange in exchanges {
            for message in publish.all {
                guard let before = exchange.history?.bytes else { continue }
                exchange.history?.append(message, of: publish, room: limits.historyBytesMax - historyBytes + before)
                historyBytes += (exchange.history?.bytes ?? 0) - before
            }
        }
    }

    /// What was bound gets what had come to the exchange before.
    private func replay(
        _ history: MessageHistory, to binding: BindingDefinition, for channel: Channel, in host: VirtualHost,
        at now: Now
    ) {
        for publish in history.publishes {
            let route: [Router.Destination]
            switch binding.target {
            case .queue: route = host.router.destinations[binding.destination].map { [$0] } ?? []
            case .exchange:
                route =
                    host.router.route(
                        exchange: binding.destination, key: publish.routingKey, moreKeys: publish.moreKeys,
                        headers: publish.message.headers) ?? []
            }
            for destination in route where obstacle(to: publish, on: [destination]) == nil {
                deliver(publish, to: destination, at: now)
                if isStored(destination) { didChange(channel) }
            }
        }
    }

}

extension Exchange {
    /// Whether it is one that goes with its last binding, and has none. One that never had any is asked nowhere.
    fileprivate var isOver: Bool { definition.isAutoDelete && bindings.isEmpty }
}

extension Router {
    static func isPredeclared(_ name: String) -> Bool { predeclared.contains { $0.name == name } }
}
