internal import OrderedCollections

// What administrators see of virtual hosts, users and permissions.
extension Broker {
    func row(_ host: VirtualHost) -> Description {
        var row = Description()
        row.add("name", host.name)
        row.add("queues", queues(of: host).count)
        row.add("topics", topics(of: host).count)
        row.add("connections", channels.values.reduce(0) { $0 + ($1.id.isConnection && $1.host === host ? 1 : 0) })
        row.add("description", host.definition.text)
        row.add("tags", .list(host.definition.tags.map { .text($0) }))
        row.add("default-queue-type", host.definition.queueType)
        row.add("max-connections", host.definition.connectionsMax)
        row.add("max-queues", host.definition.queuesMax)
        return row
    }

    // MARK: Users

    /// Those that are stored, the administrators of the Unix socket, others who have come through it, and workers.
    var userRows: [Description] {
        var rows = users.values.map { (name: $0.name, row: row($0)) }
        var others = Set(users.keys)
        let administrators = access.administrators
        for name in administrators + sortedChannels.filter({ $0.id.isConnection }).map(\.info.user)
        where !name.isEmpty && others.insert(name).inserted {
            rows.append((name, row(unstored: name, isAdministrator: administrators.contains(name))))
        }
        return rows.sorted { $0.name < $1.name }.map(\.row)
    }

    var passwordHashRows: [Description] {
        users.values.sorted { $0.name < $1.name }.map { user in
            var row = Description()
            row.add("name", user.name)
            row.add("hash", user.password?.text)
            return row
        }
    }

    private func row(_ user: UserDefinition) -> Description {
        let hosts = grants.keys.filter { $0.user == user.name }.map(\.host).sorted()
        var row = Description()
        row.add("name", user.name)
        row.add("authentication", user.password == nil ? "none" : "password")
        row.add("administrator", user.has(.administrator))
        row.add("loopback-only", user.isFromLoopbackOnly)
        row.add("vhosts", .list(hosts.map { .text($0) }))
        row.add("connections", connectionCount(of: user.name))
        row.add("tags", .list(user.tags.map { .text($0) }))
        row.add("max-connections", user.connectionsMax)
        row.add("max-channels", user.channelsMax)
        return row
    }

    private func row(unstored name: String, isAdministrator: Bool) -> Description {
        var row = Description()
        row.add("name", name)
        row.add("authentication", name.hasPrefix(Access.workerPrefix) ? "token" : "unix-socket")
        row.add("administrator", isAdministrator)
        row.add("loopback-only", false)
        row.add("vhosts", .list(isAdministrator ? hosts.keys.sorted().map { .text($0) } : []))
        row.add("connections", connectionCount(of: name))
        row.add("tags", .list([]))
        row.add("max-connections", nil as Int?)
        row.add("max-channels", nil as Int?)
        return row
    }

    private func connectionCount(of user: String) -> Int {
        channels.values.reduce(0) { $0 + ($1.id.isConnection && $1.info.user == user ? 1 : 0) }
    }

    func describe(user name: String) -> Result<Description, BrokerError> {
        guard let user = users[name] else { return .failure(.notFound(.user, name: name)) }
        var row = row(user)
        row.add("password", user.password?.algorithm.rawValue)
        let granted = sortedGrants.filter { $0.definition.user == name }
        row.add("permissions", .list(granted.map { .fields(self.row($0.definition)) }))
        row.add("topic-permissions", .list(granted.flatMap(\.topics.values).map { .fields(self.row($0)) }))
        return .success(row)
    }

    // MARK: Permissions

    private var sortedGrants: [Grant] {
        grants.values.sorted {
            ($0.definition.host, $0.definition.user) < ($1.definition.host, $1.definition.user)
        }
    }

    var permissionRows: [Description] { sortedGrants.map { row($0.definition) } }

    var topicPermissionRows: [Description] {
        sortedGrants.flatMap { $0.topics.values.sorted { $0.exchange < $1.exchange } }.map(row)
    }

    private func row(_ permission: PermissionDefinition) -> Description {
        var row = Description()
        row.add("user", permission.user)
        row.add("vhost", permission.host)
        row.add("configure", permission.configure)
        row.add("write", permission.write)
        row.add("read", permission.read)
        return row
    }

    private func row(_ permission: TopicPermissionDefinition) -> Description {
        var row = Description()
        row.add("user", permission.user)
        row.add("vhost", permission.host)
        row.add("exchange", permission.exchange)
        row.add("write", permission.write)
        row.add("read", permission.read)
        return row
    }
}
