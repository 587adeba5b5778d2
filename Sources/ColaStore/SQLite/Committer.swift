internal import ColaCore

/// The read-write connection and all that is done with it: commits, trimming, checkpoints. One thread at a time.
final class Committer {
    let connection: Connection
    let checkpointer: Checkpointer
    private let writer: BatchWriter
    private let trimmer: Trimmer
    let merger: Merger
    private let begin: Statement
    private let commit: Statement
    private let freePages: Statement
    private let vacuum: Statement

    /// Free pages below which the file is not made smaller: they will be used again.
    private static let freePagesKept: Int64 = 2048
    /// Pages given back in one slice.
    private static let vacuumPages = 64

    init(_ connection: Connection, epoch: Epoch, gate: ReaderGate, mergesRows: Bool) throws {
        self.connection = connection
        checkpointer = Checkpointer(connection, gate: gate)
        let chunks = try ChunkTable(connection, epoch: epoch)
        writer = try BatchWriter(connection, epoch: epoch, chunks: chunks)
        merger = try Merger(connection, chunks: chunks, isOn: mergesRows)
        trimmer = try Trimmer(connection)
        begin = try connection.prepare("BEGIN IMMEDIATE")
        commit = try connection.prepare("COMMIT")
        freePages = try connection.prepare("PRAGMA freelist_count")
        vacuum = try connection.prepare("PRAGMA incremental_vacuum(\(Self.vacuumPages))")
    }

    /// Makes the batches durable, all or none.
    func commit(_ batches: [EncodedBatch]) throws {
        try transaction {
            try writer.checkEpoch()
            for batch in batches { try writer.write(batch) }
        }
        if batches.contains(where: Self.leavesGarbage) { trimmer.look() }
    }

    func setMeta(_ key: String, _ value: Int64) throws {
        try transaction { try writer.setMeta(key, value) }
    }

    /// Puts messages of the schedule aside that cannot be read.
    func quarantine(_ ids: [ScheduleID]) throws {
        try transaction {
            for id in ids { try writer.quarantine(id) }
        }
    }

    var hasGarbage: Bool { trimmer.hasWork }

    func trim() throws {
        try transaction { try trimmer.slice() }
    }

    /// Merges or rewrites some chunks.
    func merge() throws {
        try transaction {
            try writer.checkEpoch()
            try merger.slice()
        }
    }

    /// Whether so many pages are free that the file should shrink.
    func hasFreePages(over kept: Int64 = freePagesKept) throws -> Bool {
        defer { freePages.reset() }
        return try freePages.step() && freePages.integer(0) > kept
    }

    /// Gives some free pages back to the file system, at the next checkpoint.
    func shrink() throws {
        try vacuum.runToEnd()
    }

    private func transaction(_ body: () throws -> Void) throws {
        do {
            try begin.runToEnd()
            try body()
            try commit.runToEnd()
        } catch {
            connection.rollback()
            throw error
        }
    }

    private static func leavesGarbage(_ encoded: EncodedBatch) -> Bool {
        encoded.batch.logs.contains { $0.trim != nil } || !encoded.batch.definitions.isEmpty
    }
}
