internal import ColaCore

/// Reads definitions back.
struct DefinitionReader {
    let connection: Connection
    /// Whether what cannot be understood is left out.
    let verdict: DamageVerdict

    private struct Owner: Hashable {
        var kind: String
        var host: String
        var name: String
    }

    struct Found {
        var virtualHosts: [VirtualHostDefinition] = []
        var queues: [QueueDefinition] = []
        var topics: [TopicDefinition] = []
        var exchanges: [ExchangeDefinition] = []
        var bindings: [BindingDefinition] = []
        var policies: [PolicyDefinition] = []
        var users: [UserDefinition] = []
        var permissions: [PermissionDefinition] = []
        var topicPermissions: [TopicPermissionDefinition] = []
    }

    func read() throws -> Found {
        var found = Found()
        found.virtualHosts = try rows(
            """
            SELECT name, description, tags, queue_type, connections_max, queues_max FROM virtual_host ORDER BY name
            """
        ) {
            VirtualHostDefinition(
                name: $0.text(0), text: $0.text(1), tags: tags($0.text(2)), queueType: $0.optionalText(3),
                connectionsMax: $0.optionalInteger(4).map { Int($0) }, queuesMax: $0.optionalInteger(5).map { Int($0) })
        }
        try readUsers(into: &found)
        let arguments = try arguments()
        found.queues = try queues(arguments)
        found.topics = try topics(arguments)
        found.exchanges = try exchanges()
        found.bindings = try rows(
            "SELECT host, source, target, destination, routing_key, arguments FROM binding ORDER BY 1, 2, 3, 4, 5, 6"
        ) { row in
            guard let target = BindingDefinition.Target(storedName: row.text(2)),
                let arguments = ArgumentTable(text: row.text(5))
            else { return try refuse("the binding of \(row.text(3)) to \(row.text(1)) cannot be understood") }
            return BindingDefinition(
                host: row.text(0), source: row.text(1), target: target, destination: row.text(3),
                routingKey: row.text(4), arguments: arguments)
        }
        found.policies = try rows("SELECT host, name, pattern, applies_to, priority FROM policy ORDER BY 1, 2") { row in
            guard let appliesTo = PolicyDefinition.AppliesTo(storedName: row.text(3)) else {
                return try refuse("policy \(row.text(1)) applies to \(row.text(3)), which is unknown")
            }
            return PolicyDefinition(
                host: row.text(0), name: row.text(1), pattern: row.text(2), appliesTo: appliesTo,
                priority: Int(row.integer(4)),
                arguments: arguments[Owner(kind: "policy", host: row.text(0), name: row.text(1))] ?? Arguments())
        }
        return found
    }

    private func readUsers(into found: inout Found) throws {
        found.users = try rows(
            "SELECT name, password, tags, loopback_only, connections_max, channels_max FROM user ORDER BY name"
        ) { row in
            let text = row.optionalText(1)
            let password = text.flatMap { PasswordHash(text: $0) }
            guard password != nil || text == nil else {
                return try refuse("the password of user \(row.text(0)) is none that this version knows")
            }
            return UserDefinition(
                name: row.text(0), password: password, tags: tags(row.text(2)), isFromLoopbackOnly: row.integer(3) != 0,
                connectionsMax: row.optionalInteger(4).map { Int($0) },
                channelsMax: row.optionalInteger(5).map { Int($0) })
        }
        found.permissions = try rows("SELECT host, user, configure, write, read FROM permission ORDER BY host, user") {
            PermissionDefinition(
                host: $0.text(0), user: $0.text(1), configure: $0.text(2), write: $0.text(3), read: $0.text(4))
        }
        found.topicPermissions = try rows(
            "SELECT host, user, exchange, write, read FROM topic_permission ORDER BY host, user, exchange"
        ) {
            TopicPermissionDefinition(
                host: $0.text(0), user: $0.text(1), exchange: $0.text(2), write: $0.text(3), read: $0.text(4))
        }
    }

    private func tags(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }

    private func exchanges() throws -> [ExchangeDefinition] {
        try rows(
            """
            SELECT host, name, kind, alternate, auto_delete, internal, delayed, arguments FROM exchange ORDER BY 1, 2
            """
        ) { row in
            guard let kind = ExchangeDefinition.Kind(storedName: row.text(2)) else {
                return try refuse("exchange \(row.text(1)) is of unknown kind \(row.text(2))")
            }
            guard let arguments = ArgumentTable(text: row.text(7)) else {
                return try refuse("the arguments of exchange \(row.text(1)) cannot be understood")
            }
            return ExchangeDefinition(
                host: row.text(0), name: row.text(1), kind: kind, isAutoDelete: row.integer(4) != 0,
                isInternal: row.integer(5) != 0, isDelayed: row.integer(6) != 0, alternate: row.optionalText(3),
                arguments: arguments)
        }
    }

    private func queues(_ arguments: [Owner: Arguments]) throws -> [QueueDefinition] {
        var higher: [LogID: [QueueDefinition.PriorityLog]] = [:]
        let priorities = try connection.prepare("SELECT queue, priority, log FROM priority_log ORDER BY 1, 2")
        while try priorities.step() {
            higher[LogID(priorities.integer(0)), default: []].append(
                .init(priority: UInt8(clamping: priorities.integer(1)), log: LogID(priorities.integer(2))))
        }
        return try rows("SELECT host, name, log, auto_delete FROM queue ORDER BY log") { row in
            let log = LogID(row.integer(2))
            return QueueDefinition(
                host: row.text(0), name: row.text(1), log: log, higher: higher[log] ?? [],
                arguments: arguments[Owner(kind: "queue", host: row.text(0), name: row.text(1))] ?? Arguments(),
                isAutoDelete: row.integer(3) != 0)
        }
    }

    private func topics(_ arguments: [Owner: Arguments]) throws -> [TopicDefinition] {
        var topics: [TopicDefinition] = []
        let partitions = try rows("SELECT host, name, log FROM topic ORDER BY host, name, partition") { row in
            (host: row.text(0), name: row.text(1), log: LogID(row.integer(2)))
        }
        for (host, name, log) in partitions {
            if topics.last?.host == host, topics.last?.name == name {
                topics[topics.count - 1].partitions.append(log)
            } else {
                topics.append(
                    TopicDefinition(
                        host: host, name: name, partitions: [log],
                        arguments: arguments[Owner(kind: "topic", host: host, name: name)] ?? Arguments()))
            }
        }
        // Logs get growing ids, so this is the order in which topics were declared.
        return topics.sorted { $0.partitions[0] < $1.partitions[0] }
    }

    private func arguments() throws -> [Owner: Arguments] {
        var arguments: [Owner: Arguments] = [:]
        let select = try connection.prepare("SELECT kind, host, owner, name, value FROM argument")
        while try select.step() {
            let owner = Owner(kind: select.text(0), host: select.text(1), name: select.text(2))
            guard let argument = Argument(rawValue: select.text(3)) else {
                _ = try refuse("\(owner.kind) \(owner.name) has an unknown argument, \(select.text(3))") as Never?
                continue
            }
            do {
                try argument.set(select.text(4), in: &arguments[owner, default: Arguments()])
            } catch {
                _ = try refuse("\(owner.kind) \(owner.name): \(error.sentence)") as Never?
            }
        }
        return arguments
    }

    private func rows<Row>(_ sql: String, _ read: (Statement) throws -> Row?) throws -> [Row] {
        let select = try connection.prepare(sql)
        var rows: [Row] = []
        while try select.step() {
            if let row = try read(select) { rows.append(row) }
        }
        return rows
    }

    private func refuse<Row>(_ reason: String) throws -> Row? {
        try verdict.meet(reason)
        return nil
    }
}
