internal import OrderedCollections

// Exchanges and bindings.
extension Broker {
    func declareExchange(
        _ definition: ExchangeDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost
    ) {
        if let found = host.router.exchanges[definition.name]?.definition {
            guard found.kind == definition.kind else {
                return refuse(
                    channel, id,
                    .mismatch(
                        "exchange '\(definition.name)' is of type \(found.kind.rawValue), not "
                            + definition.kind.rawValue))
            }
            guard found.alternate == definition.alternate else {
                let alternate = found.alternate.map { "alternate '\($0)'" } ?? "no alternate"
                return refuse(channel, id, .mismatch("exchange '\(definition.name)' has \(alternate)"))
            }
            relyOnDefinitions(channel)
        } else {
            if let error = nameError(definition.name) { return refuse(channel, id, error) }
            guard hosts.values.reduce(0, { $0 + $1.router.exchanges.count }) < limits.exchangesMax else {
                return refuse(channel, id, .limit(what: "exchanges", limit: limits.exchangesMax, setting: ""))
            }
            host.router.add(definition)
            if let exchange = host.router.exchanges[definition.name] { refreshArguments(of: exchange, in: host) }
            change(.put(.exchange(definition)))
            didChange(channel)
        }
        respond(channel, id, .done)
    }

    func deleteExchange(
        _ name: String, ifUnused: Bool, _ id: RequestID, for channel: Channel, in host: VirtualHost
    ) {
        guard host.router.exchanges[name] != nil else {
            guard !channel.info.isStrict else { return respond(channel, id, .done) }
            return refuse(channel, id, .notFound(.exchange, name: name))
        }
        guard !Router.isPredeclared(name) else { return refuse(channel, id, .reservedName(name)) }
        if ifUnused, !host.router.bindings(from: name).isEmpty {
            return refuse(channel, id, .inUse("exchange '\(name)' has bindings, so it stays"))
        }
        delete(exchange: name, from: host)
        didChange(channel)
        respond(channel, id, .done)
    }

    func delete(exchange name: String, from host: VirtualHost) {
        guard let definition = host.router.exchanges[name]?.definition else { return }
        for binding in host.router.removeExchange(name) where isDurable(binding, in: host) {
            change(.remove(.binding(binding)))
        }
        change(.remove(.exchange(definition)))
    }

    func bind(_ binding: BindingDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost) {
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
        } else {
            relyOnDefinitions(channel)
        }
        respond(channel, id, .done)
    }

    func unbind(_ binding: BindingDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost) {
        guard host.router.exchanges[binding.source] != nil else {
            return refuse(channel, id, .notFound(.exchange, name: binding.source))
        }
        let isDurable = isDurable(binding, in: host)
        if host.router.remove(binding) {
            if isDurable {
                change(.remove(.binding(binding)))
                didChange(channel)
            }
        } else {
            relyOnDefinitions(channel)
        }
        respond(channel, id, .done)
    }

    private func checkEnds(
        of binding: BindingDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost
    ) -> Bool {
        guard host.router.exchanges[binding.source] != nil else {
            refuse(channel, id, .notFound(.exchange, name: binding.source))
            return false
        }
        switch binding.target {
        case .exchange:
            guard host.router.exchanges[binding.destination] != nil else {
                refuse(channel, id, .notFound(.exchange, name: binding.destination))
                return false
            }
        case .queue:
            guard let destination = host.router.destinations[binding.destination] else {
                refuse(channel, id, .notFound(.queueOrTopic, name: binding.destination))
                return false
            }
            if case .queue(let queue) = destination, let error = lockError(queue, channel) {
                refuse(channel, id, error)
                return false
            }
        }
        return true
    }

    /// Whether both ends of it are there after a restart.
    private func isDurable(_ binding: BindingDefinition, in host: VirtualHost) -> Bool {
        guard binding.target == .queue, case .queue(let queue) = host.router.destinations[binding.destination] else {
            return true
        }
        return queue.isDurable
    }
}

extension Router {
    static func isPredeclared(_ name: String) -> Bool { predeclared.contains { $0.name == name } }
}
