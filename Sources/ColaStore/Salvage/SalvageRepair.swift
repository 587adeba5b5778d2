internal import ColaCore

/// Makes the tables of what was salvaged agree with each other again, in the newest schema.
struct SalvageRepair {
    let connection: Connection
    let path: String

    /// - Returns: what was lost, in sentences.
    func run() throws -> [String] {
        let version = Int(try connection.integer("PRAGMA user_version"))
        for step in Schema.steps[version...] { try connection.execute(step) }
        try connection.execute("PRAGMA user_version=\(Schema.steps.count)")
        var lost = try nameStrangers()
        try connection.execute(Self.hosts)
        try connection.execute(Self.counters)
        lost += try recount()
        try connection.execute(Self.orphans)
        return lost
    }

    /// Messages whose queue could not be read get one, so that somebody can.
    private func nameStrangers() throws -> [String] {
        let strangers = try connection.texts(
            """
            SELECT DISTINCT log FROM chunk WHERE log > 0 AND log NOT IN (
              SELECT log FROM queue UNION SELECT log FROM topic UNION SELECT log FROM priority_log
              UNION SELECT log FROM transient UNION SELECT log FROM garbage WHERE whole = 1
            ) ORDER BY log
            """)
        for log in strangers {
            try connection.execute(
                "INSERT INTO queue (log, host, name, auto_delete) VALUES (\(log), '/', 'cola.recovered.\(log)', 0)")
        }
        return strangers.map { "the name of log \($0) is gone: what it holds is in the queue cola.recovered.\($0)" }
    }

    private func recount() throws -> [String] {
        var lost: [String] = []
        let chunks = try ChunkTable(connection, epoch: Epoch(0))
        let writer = try LogWriter(connection, chunks: chunks)
        let rebuild = StateRebuild(chunks: chunks, runs: try RunWriter(connection, chunks: chunks), path: path)
        let purged = try purged()
        for (log, name) in try names() {
            let known = try state(of: log)
            let result = try rebuild.run(log, known: known, purged: purged[log] ?? [])
            lost += result.damage
            if let known, known.ready > result.state.ready {
                let count = known.ready - result.state.ready
                lost.append("\(count) of \(known.ready) messages of '\(name)' could not be read")
            } else if known == nil {
                lost.append(
                    "the state of '\(name)' is gone: \(result.state.ready) messages of it were found, and some may "
                        + "have been acknowledged before")
            }
            if known != result.state { try writer.put(result.state, log) }
        }
        return lost
    }

    /// All logs, each with the name of its queue or topic.
    private func names() throws -> [(LogID, String)] {
        var names: [(LogID, String)] = []
        let select = try connection.prepare(
            """
            SELECT log, name FROM queue UNION ALL SELECT log, name FROM topic
            UNION ALL SELECT priority_log.log, name FROM priority_log JOIN queue ON queue = queue.log ORDER BY 1
            """)
        while try select.step() { names.append((LogID(select.integer(0)), select.text(1))) }
        return names
    }

    /// What the trimmer has still to delete.
    private func purged() throws -> [LogID: [Range<Offset>]] {
        var purged: [LogID: [Range<Offset>]] = [:]
        let select = try connection.prepare("SELECT log, first, below FROM garbage WHERE whole = 0")
        while try select.step() {
            purged[LogID(select.integer(0)), default: []].append(Offset(select.integer(1))..<Offset(select.integer(2)))
        }
        return purged
    }

    /// - Returns: nil if there is none that can be believed.
    private func state(of log: LogID) throws -> LogState? {
        let select = try connection.prepare(
            "SELECT log, start, next, ready, bytes, floor, clean, crc, next_expiry FROM logstate WHERE log = ?")
        select.bind(1, log.rawValue)
        guard try select.step() else { return nil }
        let state = LogState(row: select)
        return StateChecksum.logState(log, state) == select.integer(7) ? state : nil
    }

    private static let hosts = """
        INSERT OR IGNORE INTO virtual_host (name)
          SELECT '/' UNION SELECT host FROM queue UNION SELECT host FROM topic UNION SELECT host FROM exchange
        """

    /// Numbers that were given out must not be given out again.
    private static let counters = """
        INSERT OR IGNORE INTO meta (key, value)
          VALUES ('epoch', 0), ('clean_epoch', 0), ('next_log', 1), ('next_schedule', 1);
        UPDATE meta SET value = max(value, (SELECT coalesce(max(epoch), 0) FROM chunk)) WHERE key = 'epoch';
        UPDATE meta SET value = max(value, (SELECT coalesce(max(log), 0) + 1 FROM (
            SELECT log FROM logstate UNION ALL SELECT log FROM chunk UNION ALL SELECT log FROM queue
            UNION ALL SELECT log FROM topic UNION ALL SELECT log FROM priority_log UNION ALL SELECT log FROM garbage
          ))) WHERE key = 'next_log';
        UPDATE meta SET value = max(value, (SELECT coalesce(max(id), 0) + 1 FROM schedule))
          WHERE key = 'next_schedule';
        """

    private static let orphans = """
        DELETE FROM settled WHERE (log, base) NOT IN (SELECT log, base FROM chunk);
        DELETE FROM released WHERE log NOT IN (SELECT log FROM logstate);
        DELETE FROM group_offset WHERE log NOT IN (SELECT log FROM logstate);
        DELETE FROM producer WHERE log NOT IN (SELECT log FROM logstate);
        DELETE FROM aborted WHERE log NOT IN (SELECT log FROM logstate);
        DELETE FROM dedup WHERE log NOT IN (SELECT log FROM logstate);
        """
}
