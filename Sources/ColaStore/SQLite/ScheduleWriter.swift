internal import ColaCore

/// Writes the schedule and the windows of message ids.
final class ScheduleWriter {
    private let insert: Statement
    private let remove: Statement
    private let putSeen: Statement
    private let removeSeen: Statement
    private let keepAside: Statement
    private let drop: Statement

    init(_ connection: Connection) throws {
        insert = try connection.prepare(
            """
            INSERT OR REPLACE INTO schedule (id, due, priority, crc, log, host, exchange, routing_key, ttl, data)
            VALUES (?,?,?,?,?,?,?,?,?,?)
            """)
        remove = try connection.prepare("DELETE FROM schedule WHERE id = ? AND due = ?")
        putSeen = try connection.prepare("INSERT OR REPLACE INTO dedup (log, expires, id) VALUES (?,?,?)")
        // Not one that has been seen again since.
        removeSeen = try connection.prepare("DELETE FROM dedup WHERE log = ? AND expires <= ? AND id = ?")
        keepAside = try connection.prepare(
            """
            INSERT OR IGNORE INTO quarantine (log, base, epoch, reason, data)
            SELECT 0, id, ?2, 'a message in the schedule is damaged', data FROM schedule WHERE id = ?1
            """)
        drop = try connection.prepare("DELETE FROM schedule WHERE id = ?")
    }

    func write(_ message: EncodedSchedule) throws {
        insert.bind(5, message.log?.rawValue)
        insert.bind(6, message.host)
        insert.bind(7, message.exchange)
        insert.bind(8, message.routingKey)
        insert.bind(9, message.timeToLive)
        try message.data.withUnsafeBytes { data in
            insert.bind(10, staticBlob: data)
            try insert.run(message.key.id.rawValue, message.key.due.rawValue, message.priority, message.crc)
        }
    }

    func remove(_ key: ScheduleKey) throws {
        try remove.run(key.id.rawValue, key.due.rawValue)
    }

    func put(_ entry: DedupEntry) throws {
        try entry.id.withUnsafeBytes { id in
            putSeen.bind(3, staticBlob: id)
            try putSeen.run(entry.log.rawValue, entry.expires.rawValue)
        }
    }

    func remove(_ entry: DedupEntry) throws {
        try entry.id.withUnsafeBytes { id in
            removeSeen.bind(3, staticBlob: id)
            try removeSeen.run(entry.log.rawValue, entry.expires.rawValue)
        }
    }

    /// Puts a message aside that cannot be read.
    func quarantine(_ id: ScheduleID, _ epoch: Epoch) throws {
        try keepAside.run(id.rawValue, epoch.rawValue)
        try drop.run(id.rawValue)
    }
}
