/// Messages on their way out of a queue that collects dead or parked ones.
final class Redrive {
    let queue: Queue
    /// Nil: each to the queue it died in.
    let target: String?
    let channel: Channel
    let request: RequestID
    /// How many are still to be looked at.
    var remaining: Int
    var moved = 0
    /// The last batch with one of its moves.
    var lastBatch = BatchNumber(0)

    init(queue: Queue, target: String?, count: Int, channel: Channel, request: RequestID) {
        self.queue = queue
        self.target = target
        self.channel = channel
        self.request = request
        remaining = count
    }
}
