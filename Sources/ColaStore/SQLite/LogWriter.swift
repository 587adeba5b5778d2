internal import ColaCore

/// Writes what a batch does to one log.
final class LogWriter {
    private let chunks: ChunkTable
    private let runs: RunWriter
    private let putState: Statement
    private let newState: Statement
    private let removeState: Statement
    private let putReleased: Statement
    private let removeReleased: Statement
    private let addGarbage: Statement
    private let putTransient: Statement
    private let removeTransient: Statement
    private let putProducer: Statement
    private let removeProducer: Statement
    private let putAborted: Statement
    private let removeAborted: Statement

    init(_ connection: Connection, chunks: ChunkTable) throws {
        self.chunks = chunks
        runs = try RunWriter(connection, chunks: chunks)
        putState = try connection.prepare(
            """
            INSERT INTO logstate (log, start, next, ready, bytes, floor, clean, crc, next_expiry)
            VALUES (?,?,?,?,?,?,?,?,?)
            ON CONFLICT (log) DO UPDATE SET start = excluded.start, next = excluded.next, ready = excluded.ready,
              bytes = excluded.bytes, floor = excluded.floor, clean = excluded.clean, crc = excluded.crc,
              next_expiry = excluded.next_expiry
            """)
        newState = try connection.prepare(
            """
            INSERT OR IGNORE INTO logstate (log, start, next, ready, bytes, floor, clean, crc)
            VALUES (?,0,0,0,0,0,0,?)
            """
        )
        removeState = try connection.prepare("DELETE FROM logstate WHERE log = ?")
        putReleased = try connection.prepare(
            "INSERT OR REPLACE INTO released (log, offset, deliveries, due, fate) VALUES (?,?,?,?,?)")
        removeReleased = try connection.prepare("DELETE FROM released WHERE log = ? AND offset = ?")
        addGarbage = try connection.prepare(
            """
            INSERT INTO garbage (log, first, below, whole) VALUES (?,?,?,?)
            ON CONFLICT (log, first) DO UPDATE SET below = max(below, excluded.below),
              whole = max(whole, excluded.whole)
            """)
        putTransient = try connection.prepare("INSERT OR IGNORE INTO transient (log) VALUES (?)")
        putProducer = try connection.prepare(
            """
            INSERT OR REPLACE INTO producer (log, id, epoch, last_seen, transaction_start, crc, batches)
            VALUES (?,?,?,?,?,?,?)
            """)
        putAborted = try connection.prepare(
            "INSERT OR REPLACE INTO aborted (log, marker, producer, first) VALUES (?,?,?,?)")
        removeAborted = try connection.prepare("DELETE FROM aborted WHERE log = ? AND marker < ?")
        removeProducer = try connection.prepare("DELETE FROM producer WHERE log = ? AND id = ?")
        removeTransient = try connection.prepare("DELETE FROM transient WHERE log = ?")
    }

    func write(_ change: LogChange, _ appended: [EncodedChunk]) throws {
        let log = change.log
        if change.isTransient { try putTransient.run(log.rawValue) }
        // Before anything is removed: the copy is made of what stands there now.
        for found in change.quarantined { try runs.quarantine(found, log) }
        for chunk in appended { try chunks.insert(chunk, log) }
        for entry in change.rewritten { try runs.rewrite(entry, log) }
        for entry in change.settled { try runs.settle(entry, log) }
        for run in change.removed { try runs.remove(run, log, floor: change.state.floor) }
        for release in change.released { try put(release, log) }
        for offset in change.releasesRemoved { try removeReleased.run(log.rawValue, offset.rawValue) }
        for producer in change.producers {
            try producer.storedBatches.withUnsafeBytes { batches in
                putProducer.bind(7, staticBlob: batches)
                try putProducer.run(
                    log.rawValue, producer.producerID, Int64(producer.epoch), producer.lastSeen.rawValue,
                    producer.transactionStart?.rawValue ?? -1, StateChecksum.producer(log, producer))
            }
        }
        for id in change.producersForgotten { try removeProducer.run(log.rawValue, id) }
        for transaction in change.aborted {
            try putAborted.run(
                log.rawValue, transaction.last.rawValue, transaction.producerID, transaction.first.rawValue)
        }
        if let below = change.abortedBelow { try removeAborted.run(log.rawValue, below.rawValue) }
        try put(change.state, log)
        if let trim = change.trim, let range = try runs.trim(trim, log, floor: change.state.floor) {
            try addGarbage.run(log.rawValue, range.lowerBound.rawValue, range.upperBound.rawValue, 0)
        }
    }

    /// A log that begins empty, unless it is there already.
    func begin(_ log: LogID) throws {
        try newState.run(log.rawValue, StateChecksum.logState(log, .empty))
    }

    /// Nothing of the log is wanted any more; the trimmer deletes it.
    func end(_ log: LogID) throws {
        try removeState.run(log.rawValue)
        try removeTransient.run(log.rawValue)
        try addGarbage.run(log.rawValue, 0, .max, 1)
    }

    /// All that the log holds goes, its offsets go on.
    func empty(_ log: LogID, _ state: LogState) throws {
        try put(.emptied(state), log)
        try removeTransient.run(log.rawValue)
        try addGarbage.run(log.rawValue, 0, state.next.rawValue, 0)
    }

    func put(_ state: LogState, _ log: LogID) throws {
        putState.bind(9, state.nextExpiry?.rawValue)
        try putState.run(
            log.rawValue, state.start.rawValue, state.next.rawValue, Int64(state.ready), Int64(state.bytes),
            state.floor.rawValue, state.handedOut.rawValue, StateChecksum.logState(log, state))
    }

    private func put(_ release: Release, _ log: LogID) throws {
        putReleased.bind(4, release.fate?.due?.rawValue)
        putReleased.bind(5, release.fate?.storedName)
        try putReleased.run(log.rawValue, release.offset.rawValue, Int64(release.deliveries))
    }
}

extension Fate {
    /// What stands in the table.
    var storedName: String {
        switch self {
        case .rejected: "rejected"
        case .deliveryLimit: "delivery-limit"
        case .buried: "buried"
        case .delayed: "delayed"
        }
    }

    var due: Timestamp? {
        if case .delayed(let due) = self { due } else { nil }
    }

    init?(storedName: String, due: Int64?) {
        switch (storedName, due) {
        case ("rejected", _): self = .rejected
        case ("delivery-limit", _): self = .deliveryLimit
        case ("buried", _): self = .buried
        case ("delayed", let due?): self = .delayed(until: Timestamp(due))
        default: return nil
        }
    }
}
