/// Messages on their way out of a queue that collects dead or parked ones.
///
/// It walks through what is there when it begins, each lane once: what does not fit, or has nowhere to go, keeps its
/// place, and what comes meanwhile is not looked at.
final class Redrive {
    /// What is still to be looked at of one lane.
    struct Walk {
        let lane: Lane
        /// Whether it is about those that are to be handed out alone.
        let isOfSuspects: Bool
        var position = Offset(0)
        let end: Offset
    }

    let queue: Queue
    /// Nil: each to the queue it died in.
    let target: String?
    let filter: DeathFilter
    let channel: Channel
    let request: RequestID
    /// The one that is under way first.
    var walks: [Walk]
    /// How many may still be moved.
    var remaining: Int
    var moved = 0
    /// The last batch with one of its moves.
    var lastBatch = BatchNumber(0)

    /// Between two moves, in nanoseconds; nil: as fast as it goes.
    let pause: Int64?
    /// When the next may move.
    var due = Instant(0)
    /// Whether it waits for that, and a timer is set.
    var isResting = false

    init(
        queue: Queue, target: String?, filter: DeathFilter, count: Int, rate: Int?, channel: Channel,
        request: RequestID
    ) {
        self.queue = queue
        self.target = target
        self.filter = filter
        self.channel = channel
        self.request = request
        remaining = count
        pause = rate.map { 1_000_000_000 / Int64(clamping: max(1, $0)) }
        walks = queue.lanes.map { Walk(lane: $0, isOfSuspects: false, end: $0.log.next) }
        walks += queue.lanes.map { Walk(lane: $0, isOfSuspects: true, end: $0.log.next) }
    }
}
