internal import OrderedCollections

// What a channel may do: the rules of ``Request/needs`` against what is stored of its user.
extension Broker {
    /// Nil if the channel may ask for this.
    func accessError(_ request: Request, _ channel: Channel) -> BrokerError? {
        guard channel.info.authority != .all else { return nil }
        if case .declareQueue(var declaration) = request, declaration.name.isEmpty {
            // One whose name the broker chooses: it is asked for by what that begins with.
            declaration.name = "\(Self.givenNamePrefix)\(epoch)-\(namesGiven + 1)"
            return accessError(.declareQueue(declaration), channel)
        }
        for need in request.needs {
            if let error = accessError(need, channel) { return error }
        }
        guard !isThere(request, in: channel.host) else { return nil }
        for need in request.needsIfNew {
            if let error = accessError(need, channel) { return error }
        }
        return nil
    }

    /// The same of a publish, for which nothing is allocated where the last one went to the same exchange.
    func accessError(of publish: Publish, _ channel: Channel) -> BrokerError? {
        guard channel.info.authority == .user else { return nil }
        let isKnown = channel.rights?.count == rightsCount && channel.rights?.lastWrite == publish.exchange
        if !isKnown {
            if let error = accessError(.permission(.write, .exchange(publish.exchange)), channel) { return error }
            channel.rights?.lastWrite = publish.exchange
        }
        guard channel.rights?.grant?.topics.isEmpty == false else { return nil }
        for key in [publish.routingKey] + publish.moreKeys {
            let need = Need.topic(.write, exchange: publish.exchange, routingKey: key)
            if let error = accessError(need, channel) { return error }
        }
        return nil
    }

    func accessError(_ asked: Need, _ channel: Channel) -> BrokerError? {
        let need = channel.host.map { asked.ofWhole(in: $0.router) } ?? asked
        let isAllowed: Bool
        switch need {
        case .tag(let tag):
            guard channel.info.authority == .user else {
                isAllowed = false
                break
            }
            isAllowed = users[channel.info.user].map { $0.has(tag) || $0.has(.administrator) } ?? false
        case .host, .permission, .topic:
            guard channel.host != nil else { return .notFound(.virtualHost, name: channel.info.host) }
            isAllowed = channel.info.authority != .user || rights(of: channel, allow: need)
        }
        if isAllowed { return nil }
        return .accessRefused(AccessRefusal(user: channel.info.user, host: channel.info.host, need: need))
    }

    private func rights(of channel: Channel, allow need: Need) -> Bool {
        let key = GrantKey(user: channel.info.user, host: channel.info.host)
        if channel.rights?.count != rightsCount { channel.rights = Rights(count: rightsCount, grant: grants[key]) }
        guard let rights = channel.rights, let grant = rights.grant else { return false }
        switch need {
        case .tag: return false
        case .host: return true
        case .permission(let operation, let resource):
            let asked = Rights.Allowed(operation: operation, resource: resource)
            if rights.allowed.contains(asked) { return true }
            guard grant.allows(operation, resource) else { return false }
            channel.rights?.remember(asked)
            return true
        case .topic(let operation, let exchange, let key):
            guard !grant.topics.isEmpty, channel.host?.router.exchanges[exchange]?.definition.kind == .topic else {
                return true
            }
            return grant.allows(operation, exchange: exchange, routingKey: key, client: channel.info.client)
        }
    }

    private func isThere(_ request: Request, in host: VirtualHost?) -> Bool {
        switch request {
        case .declareQueue(let declaration): host?.router.destinations[declaration.name] != nil
        case .declareExchange(let declaration): host?.router.exchanges[declaration.name] != nil
        default: false
        }
    }

    /// Whose permissions have changed is handed nothing more of what he may not read any more.
    func endUnreadable(at now: Now) {
        let keys = revised
        revised = []
        for channel in sortedChannels where channel.info.authority == .user && !channel.consumers.isEmpty {
            guard keys.contains(GrantKey(user: channel.info.user, host: channel.info.host)) else { continue }
            for consumer in channel.consumers where !consumer.isOfAnswers {
                guard let error = accessError(.permission(.read, .queue(consumer.name)), channel) else { continue }
                end(consumer, because: error, at: now)
            }
        }
    }

    /// What is known to a channel is not believed any more.
    func didChangeRights() { rightsCount += 1 }
}

extension Need {
    /// Of what has no permissions of its own, what it is a part of: of a partition, its topic.
    fileprivate func ofWhole(in router: Router) -> Need {
        guard case .permission(let operation, .queue(let name)) = self,
            case .partition(let partition)? = router.destination(named: name)
        else { return self }
        return .permission(operation, .queue(partition.topic.name))
    }
}

/// Who may do what, where.
struct GrantKey: Hashable {
    var user: String
    var host: String
}

/// What a channel has found of its user's permissions, as of one count of their changes.
struct Rights {
    struct Allowed: Equatable {
        var operation: Need.Operation
        var resource: Need.Resource
    }

    /// The broker's count of changes then.
    var count: Int
    var grant: Grant?
    /// What was allowed lately, the latest last; as many as RabbitMQ keeps.
    private(set) var allowed: [Allowed] = []
    /// The exchange that was published to last.
    var lastWrite: String?

    private static let allowedMax = 12

    init(count: Int, grant: Grant?) {
        self.count = count
        self.grant = grant
    }

    mutating func remember(_ asked: Allowed) {
        if allowed.count >= Self.allowedMax { allowed.removeFirst() }
        allowed.append(asked)
    }
}
