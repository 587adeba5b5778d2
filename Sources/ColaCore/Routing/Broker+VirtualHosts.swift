internal import OrderedCollections

// Virtual hosts, and who may come in.
extension Broker {
    func declareVirtualHost(_ name: String, _ change: VirtualHostChange, _ id: RequestID, for channel: Channel) {
        if let tags = change.tags, let error = Self.tagError(tags) { return refuse(channel, id, error) }
        if let text = change.text, text.utf8.count > 1_024 {
            return refuse(channel, id, .badArgument("the description of a virtual host has at most 1024 bytes"))
        }
        if let host = hosts[name] {
            let definition = host.definition.changed(by: change)
            guard definition != host.definition else {
                relyOnDefinitions(channel)
                return respond(channel, id, .done)
            }
            put(definition)
        } else {
            if let error = nameError(name) { return refuse(channel, id, error) }
            guard hosts.count < limits.virtualHostsMax else {
                return refuse(channel, id, .limit(what: "virtual hosts", limit: limits.virtualHostsMax, setting: ""))
            }
            put(VirtualHostDefinition(name: name).changed(by: change))
            // Whoever makes it can use it, as with RabbitMQ.
            if users[channel.info.user] != nil { try? put(.all(of: channel.info.user, in: name)) }
        }
        didChange(channel)
        respond(channel, id, .done)
    }

    private func put(_ definition: VirtualHostDefinition) {
        if let host = hosts[definition.name] {
            host.definition = definition
        } else {
            hosts[definition.name] = VirtualHost(definition)
        }
        change(.put(.virtualHost(definition)))
    }

    /// Deletes an empty virtual host: one command is one transaction, and what is in it may be much.
    func deleteVirtualHost(_ name: String, _ id: RequestID, for channel: Channel, at now: Now) {
        guard let host = hosts[name] else { return refuse(channel, id, .notFound(.virtualHost, name: name)) }
        guard name != VirtualHostDefinition.defaultName else {
            return refuse(channel, id, .permanent("virtual host '/' is the default one, and always there"))
        }
        guard host.router.destinations.isEmpty else {
            let count = host.router.destinations.count
            return refuse(
                channel, id,
                .inUse("virtual host '\(name)' has \(count) queues and topics; delete them first"))
        }
        for exchange in Array(host.router.exchanges.values) where !Router.isPredeclared(exchange.definition.name) {
            delete(exchange, from: host)
        }
        for policy in host.policies.values { change(.remove(.policy(policy.definition))) }
        removeGrants(in: name)
        host.isDeleted = true
        hosts[name] = nil
        change(.remove(.virtualHost(host.definition)))
        dismiss(.virtualHostDeleted(name)) { $0.host === host }
        didChange(channel)
        respond(channel, id, .done)
    }

    // MARK: Coming in

    /// A connection, or a channel of one, begins to work in its virtual host, if there is room for it.
    func enter(_ id: RequestID, for channel: Channel, in host: VirtualHost) {
        if !channel.hasEntered, channel.info.authority == .user, let error = quotaError(channel, host) {
            return refuse(channel, id, error)
        }
        channel.hasEntered = true
        respond(channel, id, .done)
    }

    private func quotaError(_ channel: Channel, _ host: VirtualHost) -> BrokerError? {
        let name = channel.info.user
        let user = users[name]
        guard channel.id.isConnection else {
            guard let most = user?.channelsMax else { return nil }
            let count = channels.values.reduce(0) { $0 + (!$1.id.isConnection && $1.info.user == name ? 1 : 0) }
            guard count > most else { return nil }
            return .quota(
                "number of channels opened for user '\(name)' has reached the maximum allowed limit of (\(most)); "
                    + "`cola users limits` changes it")
        }
        if let most = host.definition.connectionsMax, count(where: { $0.id.isConnection && $0.host === host }) >= most {
            return .quota(
                "access to vhost '\(host.name)' refused for user '\(name)': connection limit (\(most)) is reached; "
                    + "`cola vhosts limits` changes it")
        }
        if let most = user?.connectionsMax, count(where: { $0.id.isConnection && $0.info.user == name }) >= most {
            return .quota(
                "connection refused for user '\(name)': user connection limit (\(most)) is reached; `cola users "
                    + "limits` changes it")
        }
        return nil
    }

    private func count(where isCounted: (Channel) -> Bool) -> Int {
        channels.values.reduce(0) { $0 + ($1.hasEntered && isCounted($1) ? 1 : 0) }
    }

    /// Nil if the virtual host may have another queue or topic.
    func quotaError(forNew name: String, in host: VirtualHost) -> BrokerError? {
        guard let most = host.definition.queuesMax, host.router.destinations.count >= most else { return nil }
        return .quota(
            "cannot declare queue '\(name)' in vhost '\(host.name)': queue limit in vhost '\(host.name)' (\(most)) is "
                + "reached; `cola vhosts limits` changes it")
    }
}

extension VirtualHostDefinition {
    func changed(by change: VirtualHostChange) -> VirtualHostDefinition {
        var definition = self
        if let text = change.text { definition.text = text }
        if let tags = change.tags { definition.tags = tags }
        if let type = change.queueType { definition.queueType = type.isEmpty ? nil : type }
        if let limit = change.connectionsMax { definition.connectionsMax = limit.number }
        if let limit = change.queuesMax { definition.queuesMax = limit.number }
        return definition
    }
}
