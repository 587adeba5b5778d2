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
    /// Groups that are forgotten, each in one log.
    package var groupsRemoved: [GroupOffset] = []
    /// Messages that begin to wait in the schedule.
    package var scheduled: [ScheduledMessage] = []
    /// Messages that left the schedule: they are in a log of this same batch, or are not wanted any more.
    package var unscheduled: [ScheduleKey] = []
    /// Message ids seen; each replaces what was stored for it.
    package var seen: [DedupEntry] = []
    /// Message ids that may be forgotten.
    package var forgotten: [DedupEntry] = []
    /// Transactional ids, each in the place of what was stored of it.
    package var transactions: [ProducerTransaction] = []
    package var transactionsForgotten: [String] = []
    /// The id the next log will get, if it changed.
    package var nextLog: LogID?
    /// The id the next message in the schedule will get, if it changed.
    package var nextSchedule: ScheduleID?

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
        logs.isEmpty && definitions.isEmpty && groupOffsets.isEmpty && groupsRemoved.isEmpty && scheduled.isEmpty
            && unscheduled.isEmpty && seen.isEmpty && forgotten.isEmpty && transactions.isEmpty
            && transactionsForgotten.isEmpty && nextLog == nil && nextSchedule == nil
    }
}

/// What one batch does to one log.
package struct LogChange: Sendable {
    package var log: LogID
    /// The state after the batch; replaces the stored one.
    package var state: LogState
    /// What this batch appends, in the order of the offsets. The first and last entry of records, or of a packed run,
    /// are the base and last of a chunk; packed runs that follow each other may become one.
    package var appended: [AppendedRun] = []
    /// Records that were in memory alone until now, of a log that does not outlive the process; each becomes a chunk.
    package var spilled: [RecordSegment] = []
    /// Whether nothing of the log is wanted after a restart: what is stored of it now goes at the next start.
    package var isTransient = false
    /// What is settled above the floor, by runs of offsets; together with what is stored of the same offsets. An empty
    /// set says that of these offsets nothing need be kept any more: the floor has passed.
    ///
    /// The runs are the core's own and need not be the chunks of the store.
    package var settled: [ChunkSettlement] = []
    /// Offsets of which every record is settled, in runs; a chunk goes when all of it is in such runs, and with it what
    /// is stored as settled of it. The runs need not be the chunks of the store.
    package var removed: [ClosedRange<Offset>] = []
    /// Chunks that get new content: of the records that were there only those given stay. A run of offsets is one or
    /// more whole chunks of the store and becomes one chunk.
    package var rewritten: [ChunkRewrite] = []
    /// What lies in this range goes, in slices, some time after the commit: a purge. Readers are never shown it. Its
    /// ends need not be those of chunks.
    package var trim: Range<Offset>?
    /// How often messages that came back had been delivered; each replaces what was stored for its offset.
    package var released: [Release] = []
    /// Offsets of messages that had come back once and are settled now.
    package var releasesRemoved: [Offset] = []
    /// What is known of producers whose batches are told apart; each replaces what was stored of the same one.
    package var producers: [ProducerState] = []
    /// Producers that were not heard of for so long that they may be forgotten.
    package var producersForgotten: [Int64] = []
    /// Transactions that were aborted, each a new row.
    package var aborted: [AbortedTransaction] = []
    /// Those that ended below this offset are nobody's concern any more.
    package var abortedBelow: Offset?
    /// Chunks in which damage was found: a copy is kept aside in the `quarantine` table, whatever becomes of the chunk.
    package var quarantined: [Quarantine] = []

    package init(log: LogID, state: LogState) {
        self.log = log
        self.state = state
    }
}

package struct ChunkSettlement: Equatable, Sendable {
    package var base: Offset
    /// The last offset of the run that the set speaks of.
    package var last: Offset
    package var settled: SettledSet

    package init(base: Offset, last: Offset, settled: SettledSet) {
        self.base = base
        self.last = last
        self.settled = settled
    }
}

/// What is left of a run of offsets.
package struct ChunkRewrite: Equatable, Sendable {
    package var base: Offset
    package var last: Offset
    /// The records that stay; all of them lie in the run.
    package var segment: RecordSegment

    package init(base: Offset, last: Offset, segment: RecordSegment) {
        self.base = base
        self.last = last
        self.segment = segment
    }
}

/// A message that was handed out and came back.
package struct Release: Equatable, Sendable {
    package var offset: Offset
    /// How many of its deliveries have ended without an acknowledgement.
    package var deliveries: Int
    /// Where it is to go instead of being delivered again; nil: back to its place.
    package var fate: Fate?

    package init(offset: Offset, deliveries: Int, fate: Fate? = nil) {
        self.offset = offset
        self.deliveries = deliveries
        self.fate = fate
    }
}

/// What was decided about a message that has still to be read and moved.
///
/// It is written down with the decision, so that the decision can be answered before the message has been read.
package enum Fate: Hashable, Sendable {
    /// To the dead-letter target: a consumer rejected it.
    case rejected
    /// To the dead-letter target, or parked: too many of its deliveries failed.
    case deliveryLimit
    /// To the dead-letter target, or parked where there is none: a worker could not do it.
    case buried
    /// Into the schedule: it came back with a delay.
    case delayed(until: Timestamp)
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
