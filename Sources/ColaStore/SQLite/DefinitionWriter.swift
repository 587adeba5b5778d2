internal import ColaCore

/// Writes definitions into their tables, and says which logs came and went with them.
final class DefinitionWriter {
    private let putHost: Statement
    private let removeHost: Statement
    private let putQueue: Statement
    private let getQueue: Statement
    private let removeQueue: Statement
    private let putPriority: Statement
    private let getPriorities: Statement
    private let removePriorities: Statement
    private let putTopic: Statement
    private let getTopic: Statement
    private let removeTopic: Statement
    private let putExchange: Statement
    private let removeExchange: Statement
    private let putBinding: Statement
    private let removeBinding: Statement
    private let putPolicy: Statement
    private let removePolicy: Statement
    private let putUser: Statement
    private let removeUser: Statement
    private let putPermission: Statement
    private let removePermission: Statement
    private let putTopicPermission: Statement
    private let removeTopicPermission: Statement
    private let putArgument: Statement
    private let removeArguments: Statement

    init(_ connection: Connection) throws {
        putHost = try connection.prepare(
            """
            INSERT OR REPLACE INTO virtual_host (name, description, tags, queue_type, connections_max, queues_max)
            VALUES (?,?,?,?,?,?)
            """)
        removeHost = try connection.prepare("DELETE FROM virtual_host WHERE name = ? AND name <> '/'")
        putQueue = try connection.prepare("INSERT INTO queue (host, name, log, auto_delete) VALUES (?,?,?,?)")
        getQueue = try connection.prepare("SELECT log FROM queue WHERE host = ? AND name = ?")
        removeQueue = try connection.prepare("DELETE FROM queue WHERE host = ? AND name = ?")
        putPriority = try connection.prepare("INSERT INTO priority_log (queue, priority, log) VALUES (?,?,?)")
        getPriorities = try connection.prepare("SELECT log FROM priority_log WHERE queue = ? ORDER BY priority")
        removePriorities = try connection.prepare("DELETE FROM priority_log WHERE queue = ?")
        putTopic = try connection.prepare("INSERT INTO topic (host, name, partition, log) VALUES (?,?,?,?)")
        getTopic = try connection.prepare("SELECT log FROM topic WHERE host = ? AND name = ? ORDER BY partition")
        removeTopic = try connection.prepare("DELETE FROM topic WHERE host = ? AND name = ?")
        putExchange = try connection.prepare(
            """
            INSERT OR REPLACE INTO exchange (host, name, kind, alternate, arguments, auto_delete, internal, delayed)
              VALUES (?,?,?,?,?,?,?,?)
            """)
        removeExchange = try connection.prepare("DELETE FROM exchange WHERE host = ? AND name = ?")
        putBinding = try connection.prepare(
            """
            INSERT OR IGNORE INTO binding (host, source, target, destination, routing_key, arguments)
              VALUES (?,?,?,?,?,?)
            """)
        removeBinding = try connection.prepare(
            """
            DELETE FROM binding WHERE host = ? AND source = ? AND target = ? AND destination = ? AND routing_key = ?
              AND arguments = ?
            """)
        putPolicy = try connection.prepare(
            "INSERT OR REPLACE INTO policy (host, name, pattern, applies_to, priority) VALUES (?,?,?,?,?)")
        removePolicy = try connection.prepare("DELETE FROM policy WHERE host = ? AND name = ?")
        putUser = try connection.prepare(
            """
            INSERT INTO user (name, password, tags, loopback_only, connections_max, channels_max) VALUES (?,?,?,?,?,?)
            """)
        removeUser = try connection.prepare("DELETE FROM user WHERE name = ?")
        putPermission = try connection.prepare(
            "INSERT INTO permission (user, host, configure, write, read) VALUES (?,?,?,?,?)")
        removePermission = try connection.prepare("DELETE FROM permission WHERE user = ? AND host = ?")
        putTopicPermission = try connection.prepare(
            "INSERT INTO topic_permission (user, host, exchange, write, read) VALUES (?,?,?,?,?)")
        removeTopicPermission = try connection.prepare(
            "DELETE FROM topic_permission WHERE user = ? AND host = ? AND exchange = ?")
        putArgument = try connection.prepare(
            "INSERT INTO argument (kind, host, owner, name, value) VALUES (?,?,?,?,?)")
        removeArguments = try connection.prepare("DELETE FROM argument WHERE kind = ? AND host = ? AND owner = ?")
    }

    /// - Returns: the logs that begin with the change, or did already, and those that end with it.
    func write(_ change: DefinitionChange) throws -> (begun: [LogID], ended: [LogID]) {
        switch change {
        case .put(let definition):
            let old = try remove(definition)
            try put(definition)
            let logs = definition.logs
            return (logs, old.filter { !logs.contains($0) })
        case .remove(let definition):
            let old = try remove(definition)
            // One that was never stored may have logs that were: what there was no room for in memory.
            return ([], old + definition.logs.filter { !old.contains($0) })
        }
    }

    private func put(_ definition: Definition) throws {
        switch definition {
        case .virtualHost(let host):
            putHost.bind(5, host.connectionsMax.map { Int64($0) })
            putHost.bind(6, host.queuesMax.map { Int64($0) })
            try run(putHost, host.name, host.text, host.tags.joined(separator: ","), host.queueType)
        case .user(let user):
            putUser.bind(4, user.isFromLoopbackOnly ? 1 : 0)
            putUser.bind(5, user.connectionsMax.map { Int64($0) })
            putUser.bind(6, user.channelsMax.map { Int64($0) })
            try run(putUser, user.name, user.password?.text, user.tags.joined(separator: ","))
        case .permission(let permission):
            try run(
                putPermission, permission.user, permission.host, permission.configure, permission.write, permission.read
            )
        case .topicPermission(let permission):
            try run(
                putTopicPermission, permission.user, permission.host, permission.exchange, permission.write,
                permission.read)
        case .queue(let queue):
            putQueue.bind(3, queue.log.rawValue)
            putQueue.bind(4, queue.isAutoDelete ? 1 : 0)
            try run(putQueue, queue.host, queue.name)
            for higher in queue.higher {
                try putPriority.run(queue.log.rawValue, Int64(higher.priority), higher.log.rawValue)
            }
            try put(queue.arguments, "queue", queue.host, queue.name)
        case .topic(let topic):
            for (partition, log) in topic.partitions.enumerated() {
                putTopic.bind(3, Int64(partition))
                putTopic.bind(4, log.rawValue)
                try run(putTopic, topic.host, topic.name)
            }
            try put(topic.arguments, "topic", topic.host, topic.name)
        case .exchange(let exchange):
            for (index, truth) in [exchange.isAutoDelete, exchange.isInternal, exchange.isDelayed].enumerated() {
                putExchange.bind(Int32(6 + index), truth ? 1 : 0)
            }
            try run(
                putExchange, exchange.host, exchange.name, exchange.kind.storedName, exchange.alternate,
                exchange.arguments.text)
        case .binding(let binding): try run(putBinding, binding)
        case .policy(let policy):
            putPolicy.bind(5, Int64(policy.priority))
            try run(putPolicy, policy.host, policy.name, policy.pattern, policy.appliesTo.storedName)
            try put(policy.arguments, "policy", policy.host, policy.name)
        }
    }

    /// - Returns: the logs that were stored with it.
    private func remove(_ definition: Definition) throws -> [LogID] {
        switch definition {
        case .virtualHost(let host): try run(removeHost, host.name)
        case .queue(let queue):
            guard let log = try logs(getQueue, queue.host, queue.name).first else { return [] }
            try run(removeQueue, queue.host, queue.name)
            try run(removeArguments, "queue", queue.host, queue.name)
            getPriorities.bind(1, log.rawValue)
            let higher = try logs(getPriorities)
            try removePriorities.run(log.rawValue)
            return [log] + higher
        case .topic(let topic):
            let old = try logs(getTopic, topic.host, topic.name)
            try run(removeTopic, topic.host, topic.name)
            try run(removeArguments, "topic", topic.host, topic.name)
            return old
        case .exchange(let exchange): try run(removeExchange, exchange.host, exchange.name)
        case .user(let user): try run(removeUser, user.name)
        case .permission(let permission): try run(removePermission, permission.user, permission.host)
        case .topicPermission(let permission):
            try run(removeTopicPermission, permission.user, permission.host, permission.exchange)
        case .binding(let binding): try run(removeBinding, binding)
        case .policy(let policy):
            try run(removePolicy, policy.host, policy.name)
            try run(removeArguments, "policy", policy.host, policy.name)
        }
        return []
    }

    private func put(_ arguments: Arguments, _ kind: String, _ host: String, _ owner: String) throws {
        for argument in Argument.allCases {
            guard let value = argument.text(in: arguments) else { continue }
            try run(putArgument, kind, host, owner, argument.rawValue, value)
        }
    }

    private func run(_ statement: Statement, _ binding: BindingDefinition) throws {
        try run(
            statement, binding.host, binding.source, binding.target.storedName, binding.destination, binding.routingKey,
            binding.arguments.text)
    }

    private func run(_ statement: Statement, _ texts: String?...) throws {
        for (index, text) in texts.enumerated() { statement.bind(Int32(index + 1), text) }
        try statement.runToEnd()
    }

    private func logs(_ statement: Statement, _ texts: String...) throws -> [LogID] {
        for (index, text) in texts.enumerated() { statement.bind(Int32(index + 1), text) }
        defer { statement.reset() }
        var logs: [LogID] = []
        while try statement.step() { logs.append(LogID(statement.integer(0))) }
        return logs
    }
}
