/// What the broker did since the batch before, for the store to make durable in one transaction.
///
/// A batch is always a prefix of the broker's total order of commands. The core never takes one back: it commits, or
/// the process ends.
package struct Batch: Sendable {
    package var number: BatchNumber
    /// One entry per log touched. In the order in which the logs were first touched.
    package var logs: [LogChange]
    /// In the order in which they happened.
    package var definitions: [DefinitionChange]
    package var groupOffsets: [GroupOffset]
    /// The id the next log will get, if it changed.
    package var nextLog: LogID?

    package init(
        number: BatchNumber, logs: [LogChange] = [], definitions: [DefinitionChange] = [],
        groupOffsets: [GroupOffset] = [], nextLog: LogID? = nil
    ) {
        self.number = number
        self.logs = logs
        self.definitions = definitions
        self.groupOffsets = groupOffsets
        self.nextLog = nextLog
    }

    package var isEmpty: Bool {
        logs.isEmpty && definitions.isEmpty && groupOffsets.isEmpty && nextLog == nil
    }
}

/// What one batch does to one log.
package struct LogChange: Sendable {
    package var log: LogID
    /// The state after the batch; replaces the stored one.
    package var state: LogState
    /// The records this batch appends; they become one chunk. Its first and last entry are the chunk's base and last.
    package var appended: RecordSegment?
    /// Chunks of which some records above the floor are settled: each replaces what was stored for its chunk. An empty
    /// set removes it.
    package var settled: [ChunkSettlement] = []
    /// The bases of chunks that are not needed any more; what is stored as settled of them goes as well.
    package var removedChunks: [Offset] = []
    /// Chunks that begin in this range go, in slices, some time after the commit: a purge. Readers are never shown
    /// them.
    package var trim: Range<Offset>?
    /// How often messages that came back had been delivered; each replaces what was stored for its offset.
    package var released: [Release] = []
    /// Offsets of messages that had come back once and are settled now.
    package var releasesRemoved: [Offset] = []
    /// Chunks in which damage was found: a copy is kept aside in the `quarantine` table, whatever becomes of the chunk.
    package var quarantined: [Quarantine] = []

    package init(log: LogID, state: LogState) {
        self.log = log
        self.state = state
    }
}

package struct ChunkSettlement: Equatable, Sendable {
    package var base: Offset
    package var settled: SettledSet

    package init(base: Offset, settled: SettledSet) {
        self.base = base
        self.settled = settled
    }
}

/// A message that was handed out and came back.
package struct Release: Equatable, Sendable {
    package var offset: Offset
    /// How many of its deliveries have ended without an acknowledgement.
    package var deliveries: Int

    package init(offset: Offset, deliveries: Int) {
        self.offset = offset
        self.deliveries = deliveries
    }
}

/// A chunk with damage in it.
package struct Quarantine: Equatable, Sendable {
    package var base: Offset
    /// How many records of the chunk could be read; the store counts no others from now on.
    package var readable: Int
    package var reason: String

    package init(base: Offset, readable: Int, reason: String) {
        self.base = base
        self.readable = readable
        self.reason = reason
    }
}

package enum DefinitionChange: Equatable, Sendable {
    /// Stores it; one of the same identity is replaced. The logs of a new queue or topic begin empty.
    case put(Definition)
    /// Removes it. The logs of a queue or topic, with their group offsets, go in slices after the commit.
    case remove(Definition)
}
