internal import ColaCore

/// What waits for the reader thread.
struct ReadQueue {
    var inquiries: [Inquiry] = []
    var isStopping = false
}

/// What the reader thread does for the whole of its life: answers reads one after the other.
final class ReadLoop: @unchecked Sendable {
    // Unchecked: made by the thread that opens the store, then used by the reader thread alone.
    private let chunks: ChunkReader
    private let outlines: OutlineReader
    private let schedule: ScheduleReader
    private let queue: Monitor<ReadQueue>
    private let path: String

    init(_ connection: Connection, gate: ReaderGate, queue: Monitor<ReadQueue>, path: String) throws {
        let transaction = try ReadTransaction(connection, gate: gate)
        chunks = try ChunkReader(transaction)
        outlines = try OutlineReader(transaction)
        schedule = try ScheduleReader(transaction)
        self.queue = queue
        self.path = path
    }

    /// Runs until it is told to stop and what was asked before is answered.
    ///
    /// - Parameter didFindDamage: is told of messages in the schedule that cannot be read.
    func run(didFindDamage: ([ScheduleID]) -> Void) {
        while let inquiries = next() {
            for inquiry in inquiries {
                switch inquiry {
                case .read(let request, let completion): completion(answer { try chunks.read(request) })
                case .fetch(let request, let completion): completion(answer { try chunks.fetch(request) })
                case .ask(let query, let completion): completion(answer { try answer(query, didFindDamage) })
                }
            }
        }
    }

    private func next() -> [Inquiry]? {
        queue.wait { queue -> [Inquiry]?? in
            if queue.inquiries.isEmpty { return queue.isStopping ? .some(nil) : nil }
            let inquiries = queue.inquiries
            queue.inquiries = []
            return inquiries
        } ?? nil
    }

    private func answer(_ query: Query, _ didFindDamage: ([ScheduleID]) -> Void) throws -> QueryResult {
        switch query {
        case .outline(let log, let from, let countMax): return try outlines.read(log, from: from, countMax: countMax)
        case .time(let log, let time): return try outlines.read(log, asYoungAs: time)
        case .record(let log, let time): return .record(try record(of: log, asYoungAs: time))
        case .youngest(let log): return .record(try youngest(of: log))
        case .schedule(let key, let countMax, let bytesMax):
            let (result, damaged) = try schedule.read(after: key, countMax: countMax, bytesMax: bytesMax)
            if !damaged.isEmpty { didFindDamage(damaged) }
            return result
        }
    }

    private func record(of log: LogID, asYoungAs time: Timestamp) throws -> LocatedRecord? {
        var from = Offset(0)
        // What the row says of its times its producer has said: the records are looked at.
        while let outline = try outlines.chunk(of: log, from: from, asYoungAs: time) {
            let chunk = try chunks.read(
                ReadRequest(log: log, from: max(from, outline.base), below: outline.last.next, bytesMax: 1)
            ).chunks.first
            if let found = chunk?.record(from: from, asYoungAs: time) { return found }
            guard outline.last < Offset(.max) else { return nil }
            from = outline.last.next
        }
        return nil
    }

    private func youngest(of log: LogID) throws -> LocatedRecord? {
        guard let outline = try outlines.youngest(of: log) else { return nil }
        let request = ReadRequest(log: log, from: outline.base, below: outline.last.next, bytesMax: 1)
        return try chunks.read(request).chunks.first?.youngestRecord(from: Offset(0))
    }

    private func answer<Answer>(_ body: () throws -> Answer) -> Result<Answer, StoreError> {
        Result { () throws(StoreError) in
            try StoreError.converting(path: path, body)
        }
    }
}
