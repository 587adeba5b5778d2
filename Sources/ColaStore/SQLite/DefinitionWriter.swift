internal import ColaCore

/// Writes definitions into their tables, and says which logs came and went with them.
final class DefinitionWriter {
    private let putQueue: Statement
    private let getQueue: Statement
    private let removeQueue: Statement
    private let putTopic: Statement
    private let getTopic: Statement
    private let removeTopic: Statement
    private let putExchange: Statement
    private let removeExchange: Statement
    private let putBinding: Statement
    private let removeBinding: Statement

    init(_ connection: Connection) throws {
        putQueue = try connection.prepare("INSERT INTO queue (name, log) VALUES (?,?)")
        getQueue = try connection.prepare("SELECT log FROM queue WHERE name = ?")
        removeQueue = try connection.prepare("DELETE FROM queue WHERE name = ?")
        putTopic = try connection.prepare("INSERT INTO topic (name, partition, log) VALUES (?,?,?)")
        getTopic = try connection.prepare("SELECT log FROM topic WHERE name = ? ORDER BY partition")
        removeTopic = try connection.prepare("DELETE FROM topic WHERE name = ?")
        putExchange = try connection.prepare("INSERT OR REPLACE INTO exchange (name, kind) VALUES (?,?)")
        removeExchange = try connection.prepare("DELETE FROM exchange WHERE name = ?")
        putBinding = try connection.prepare(
            "INSERT OR IGNORE INTO binding (source, destination, routing_key) VALUES (?,?,?)")
        removeBinding = try connection.prepare(
            "DELETE FROM binding WHERE source = ? AND destination = ? AND routing_key = ?")
    }

    /// - Returns: the logs that begin with the change, or did already, and those that end with it.
    func write(_ change: DefinitionChange) throws -> (begun: [LogID], ended: [LogID]) {
        switch change {
        case .put(.queue(let queue)):
            let old = try logs(getQueue, queue.name)
            try run(removeQueue, queue.name)
            putQueue.bind(2, queue.log.rawValue)
            try run(putQueue, queue.name)
            return ([queue.log], old.filter { $0 != queue.log })
        case .remove(.queue(let queue)):
            let old = try logs(getQueue, queue.name)
            try run(removeQueue, queue.name)
            return ([], old)
        case .put(.topic(let topic)):
            let old = try logs(getTopic, topic.name)
            try run(removeTopic, topic.name)
            for (partition, log) in topic.partitions.enumerated() {
                putTopic.bind(2, Int64(partition))
                putTopic.bind(3, log.rawValue)
                try run(putTopic, topic.name)
            }
            return (topic.partitions, old.filter { !topic.partitions.contains($0) })
        case .remove(.topic(let topic)):
            let old = try logs(getTopic, topic.name)
            try run(removeTopic, topic.name)
            return ([], old)
        case .put(.exchange(let exchange)): try run(putExchange, exchange.name, exchange.kind.storedName)
        case .remove(.exchange(let exchange)): try run(removeExchange, exchange.name)
        case .put(.binding(let binding)): try run(putBinding, binding.source, binding.destination, binding.routingKey)
        case .remove(.binding(let binding)):
            try run(removeBinding, binding.source, binding.destination, binding.routingKey)
        case .put(.virtualHost), .remove(.virtualHost), .put(.policy), .remove(.policy): break
        }
        return ([], [])
    }

    private func run(_ statement: Statement, _ texts: String...) throws {
        for (index, text) in texts.enumerated() { statement.bind(Int32(index + 1), text) }
        try statement.runToEnd()
    }

    private func logs(_ statement: Statement, _ name: String) throws -> [LogID] {
        statement.bind(1, name)
        defer { statement.reset() }
        var logs: [LogID] = []
        while try statement.step() { logs.append(LogID(statement.integer(0))) }
        return logs
    }
}

extension ExchangeDefinition.Kind {
    /// What stands in the table: the names of the protocol, so that a renamed case changes nothing on the disk.
    var storedName: String {
        switch self {
        case .direct: "direct"
        case .fanout: "fanout"
        case .topic: "topic"
        case .headers: "headers"
        }
    }

    init?(storedName: String) {
        guard let kind = Self.allCases.first(where: { $0.storedName == storedName }) else { return nil }
        self = kind
    }
}
