internal import OrderedCollections

// Users and what they may do: as administrators declare it.
extension Broker {
    // MARK: Users

    func setUser(_ change: UserChange, _ id: RequestID, for channel: Channel, at now: Now) {
        if let error = error(in: change) { return refuse(channel, id, error) }
        guard case .plain(let secret) = change.password else { return set(change, id, for: channel) }
        guard !secret.text.isEmpty else {
            return refuse(
                channel, id,
                .badArgument(
                    "the password of user '\(change.name)' is empty, which lets nobody in; choose one, or say that he "
                        + "has none"))
        }
        // To make a hash takes long: somebody else does it.
        channel.stall = .password(id, change)
        effects.append(.hashPassword(channel.id, id, secret))
    }

    func passwordHashed(_ channelID: ChannelID, _ id: RequestID, _ hash: PasswordHash?, at now: Now) {
        guard let channel = channels[channelID], case .password(id, var change)? = channel.stall else { return }
        channel.stall = nil
        if let hash {
            change.password = .hash(hash)
            set(change, id, for: channel)
        } else {
            refuse(channel, id, .busy("too many passwords are being looked at; try again later"))
        }
        resume(channel, at: now)
    }

    private func set(_ change: UserChange, _ id: RequestID, for channel: Channel) {
        // Somebody may have been faster while the password was hashed.
        if let error = error(in: change) { return refuse(channel, id, error) }
        let isGuest = change.name == UserDefinition.guest.name
        var user = users[change.name] ?? UserDefinition(name: change.name, isFromLoopbackOnly: isGuest)
        switch change.password {
        case .hash(let hash): user.password = hash
        case .some(.none): user.password = nil
        case .plain, nil: break
        }
        if let tags = change.tags { user.tags = tags }
        if let isFromLoopbackOnly = change.isFromLoopbackOnly { user.isFromLoopbackOnly = isFromLoopbackOnly }
        if let limit = change.connectionsMax { user.connectionsMax = limit.number }
        if let limit = change.channelsMax { user.channelsMax = limit.number }
        put(user)
        didChange(channel)
        respond(channel, id, .done)
    }

    private func put(_ user: UserDefinition) {
        users[user.name] = user
        change(.put(.user(user)))
        didChangeRights()
    }

    private func error(in change: UserChange) -> BrokerError? {
        let name = change.name
        if name.isEmpty { return .badName(name, reason: "a name has at least one byte") }
        if name.utf8.count > 255 { return .badName(name, reason: "a name has at most 255 bytes of UTF-8") }
        if name.utf8.contains(where: { $0 < 0x20 }) { return .badName(name, reason: "a name has no control bytes") }
        if name.hasPrefix(Access.workerPrefix) {
            let sentence = "'\(name)' stands for the processes of a worker, which are known by their tokens"
            return .badName(name, reason: sentence)
        }
        switch (change.isNew, users[name] != nil) {
        case (true, true): return .inUse("there is a user '\(name)' already; change it with `cola users`")
        case (false, false): return .notFound(.user, name: name)
        default: break
        }
        if users[name] == nil, users.count >= limits.usersMax {
            return .limit(what: "users", limit: limits.usersMax, setting: "")
        }
        if let tags = change.tags {
            if let error = Self.tagError(tags) { return error }
        }
        return nil
    }

    /// Of users and virtual hosts.
    static func tagError(_ tags: [String]) -> BrokerError? {
        let areTags = tags.allSatisfy { tag in
            (1...255).contains(tag.utf8.count) && !tag.utf8.contains { $0 < 0x20 || $0 == UInt8(ascii: ",") }
        }
        guard tags.count > 32 || !areTags || Set(tags).count < tags.count else { return nil }
        return .badArgument(
            "there may be at most 32 tags, each once, of 1 to 255 bytes without commas and control bytes")
    }

    func deleteUser(_ name: String, _ id: RequestID, for channel: Channel) {
        guard let user = users.removeValue(forKey: name) else {
            return refuse(channel, id, .notFound(.user, name: name))
        }
        for key in grants.keys where key.user == name { removeGrant(key) }
        change(.remove(.user(user)))
        didChangeRights()
        dismiss(.userDeleted(name)) { $0.info.user == name && $0.info.authority == .user }
        didChange(channel)
        respond(channel, id, .done)
    }

    // MARK: Permissions

    func setPermission(_ permission: PermissionDefinition, _ id: RequestID, for channel: Channel) {
        if let error = missing(user: permission.user, host: permission.host) { return refuse(channel, id, error) }
        do {
            try put(permission)
        } catch {
            return refuse(channel, id, .badArgument("the permissions of user '\(permission.user)': \(error)"))
        }
        didChange(channel)
        respond(channel, id, .done)
    }

    /// - Throws: which pattern cannot be used; nothing has changed then.
    func put(_ permission: PermissionDefinition) throws(PatternError) {
        let key = GrantKey(user: permission.user, host: permission.host)
        var grant = try Grant(permission)
        grant.takeTopics(of: grants[key])
        grants[key] = grant
        revised.append(key)
        change(.put(.permission(permission)))
        didChangeRights()
    }

    func clearPermission(user: String, host: String, _ id: RequestID, for channel: Channel) {
        if let error = missing(user: user, host: host) { return refuse(channel, id, error) }
        let key = GrantKey(user: user, host: host)
        guard grants[key] != nil else {
            return refuse(channel, id, .notFound(.permission, name: user))
        }
        removeGrant(key)
        didChange(channel)
        respond(channel, id, .done)
    }

    /// With the permissions for topic exchanges, which mean nothing without it.
    private func removeGrant(_ key: GrantKey) {
        guard let grant = grants.removeValue(forKey: key) else { return }
        revised.append(key)
        for topic in grant.topics.values { change(.remove(.topicPermission(topic))) }
        change(.remove(.permission(grant.definition)))
        didChangeRights()
    }

    /// Of a virtual host that is deleted.
    func removeGrants(in host: String) {
        for key in grants.keys where key.host == host { removeGrant(key) }
    }

    func setTopicPermission(_ permission: TopicPermissionDefinition, _ id: RequestID, for channel: Channel) {
        if let error = missing(user: permission.user, host: permission.host) { return refuse(channel, id, error) }
        let key = GrantKey(user: permission.user, host: permission.host)
        guard let grant = grants[key] else {
            return refuse(
                channel, id,
                .notFound(.permission, name: permission.user))
        }
        do throws(PatternError) {
            try Grant.check(permission)
        } catch {
            return refuse(channel, id, .badArgument("the topic permissions of user '\(permission.user)': \(error)"))
        }
        guard grant.topics[permission.exchange] != nil || grant.topics.count < limits.topicPermissionsMax else {
            let most = limits.topicPermissionsMax
            return refuse(channel, id, .limit(what: "topic permissions of a user", limit: most, setting: ""))
        }
        grants[key]?.put(permission)
        change(.put(.topicPermission(permission)))
        didChangeRights()
        didChange(channel)
        respond(channel, id, .done)
    }

    /// - Parameter exchange: nil: those for all of them.
    func clearTopicPermission(
        user: String, host: String, exchange: String?, _ id: RequestID, for channel: Channel
    ) {
        if let error = missing(user: user, host: host) { return refuse(channel, id, error) }
        let key = GrantKey(user: user, host: host)
        let found = (grants[key]?.topics.values).map(Array.init) ?? []
        let cleared = found.filter { exchange == nil || $0.exchange == exchange }
        guard !cleared.isEmpty else { return refuse(channel, id, .notFound(.permission, name: user)) }
        for permission in cleared {
            grants[key]?.removeTopic(of: permission.exchange)
            change(.remove(.topicPermission(permission)))
        }
        didChangeRights()
        didChange(channel)
        respond(channel, id, .done)
    }

    private func missing(user: String, host: String) -> BrokerError? {
        if users[user] == nil { return .notFound(.user, name: user) }
        return hosts[host] == nil ? .notFound(.virtualHost, name: host) : nil
    }

    // MARK: A start

    func recoverUsers(_ recovery: Recovery) {
        for user in recovery.users { users[user.name] = user }
        for permission in recovery.permissions {
            // A pattern that was accepted once is accepted again; one of a later version allows nothing.
            guard let grant = try? Grant(permission) else { continue }
            grants[GrantKey(user: permission.user, host: permission.host)] = grant
        }
        for topic in recovery.topicPermissions {
            grants[GrantKey(user: topic.user, host: topic.host)]?.put(topic)
        }
    }

    /// Whether nobody has said anything about users yet.
    package var hasGuestAlone: Bool { users.count == 1 && users[UserDefinition.guest.name] == .guest }

    /// The user of the settings comes in the place of the guest.
    package func begin(with user: UserDefinition) {
        for key in grants.keys where key.user == UserDefinition.guest.name { removeGrant(key) }
        change(.remove(.user(.guest)))
        users = [:]
        put(user)
        try? put(.all(of: user.name, in: VirtualHostDefinition.defaultName))
    }

    /// What is kept of a user, for who looks at his password.
    package func user(named name: String) -> UserDefinition? { users[name] }
}
