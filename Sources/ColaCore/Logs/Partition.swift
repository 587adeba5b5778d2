internal import DequeModule

/// One partition of a topic: a log that keeps its records until retention lets go of them.
final class Partition {
    let number: Int
    let log: Log
    unowned let topic: Topic
    var quarantined: [Quarantine] = []
    var trim: Range<Offset>?
    /// The oldest chunks, as far as they are known: those that retention looks at next.
    var outline: Deque<ChunkOutline> = []
    var isAsking = false
    /// Which batches of producers it has.
    var ledger = ProducerLedger()
    /// When producers were last looked through for those to forget.
    var forgotProducers = Timestamp(0)
    /// Fetches that are answered when something new is here.
    var waiting: [Fetching] = []
    /// Whether the answer that is awaited tells of chunks as they were before compaction.
    var isOutlineStale = false

    /// What the gathering batch rewrites.
    var rewritten: [ChunkRewrite] = []
    /// The pass of compaction that is under way.
    var compactor: Compactor?
    /// Whether it stands in the broker's list of those to compact.
    var isCompactionDue = false
    /// Records below have been compacted with one another.
    var cleanEnd: Offset
    /// Bytes of the records at or above.
    var dirtyBytes: Int

    init(number: Int, log: Log, of topic: Topic) {
        self.number = number
        self.log = log
        self.topic = topic
        // What an earlier life has compacted is not known: its first pass begins anew.
        cleanEnd = log.start
        dirtyBytes = log.bytes
    }

    /// What stands for it where a queue is named, if its topic has several: `TOPIC-NUMBER`.
    var name: String { "\(topic.name)-\(number)" }

    /// What it is, for those who take it for something that stands alone.
    var sentence: String { "'\(name)' is partition \(number) of topic '\(topic.name)'" }

    /// Those who read it, alone or with others.
    var readerCount: Int { topic.readers.count { reader in reader.positions.contains { $0.partition === self } } }

    /// Below it everything is durable and of no transaction that is not decided.
    var stableEnd: Offset { ledger.lastStableOffset(end: log.committedEnd) }

    /// Where the chunk holds what was aborted.
    func aborted(in chunk: StoredChunk) -> [ClosedRange<Offset>] {
        chunk.transactional.compactMap { ledger.isAborted($0) ? $0.offsets : nil }
    }

    var isCompacted: Bool { topic.arguments.cleanup == .compact || topic.arguments.cleanup == .compactAndDelete }

    var state: LogState {
        LogState(
            start: log.start, next: log.next, ready: log.messages, bytes: log.bytes, floor: log.start,
            handedOut: Offset(0))
    }
}
