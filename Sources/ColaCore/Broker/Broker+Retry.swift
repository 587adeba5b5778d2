internal import DequeModule

// Messages that come back from clients, and how often they may.
extension Broker {
    /// When a message that came back may be handed out again.
    enum Return {
        /// Now, in its place.
        case atOnce
        /// At the end of the queue, when so much time has passed.
        case later(milliseconds: Int64)
    }

    /// A client's delivery has ended, and the message is not done.
    ///
    /// What was lost with its connection goes back to its place at once, for all that was handed out there is in doubt,
    /// and waiting would not help the most of it. But it counts: the message may be the reason. Who leaves in order has
    /// said nothing of the message, and uses up none of the attempts of the queue's rule.
    func giveBack(
        _ lease: Channel.Lease, of lane: Lane, _ when: Return, because end: Attempt.End, by channel: Channel,
        at now: Now
    ) {
        let arguments = lane.queue.arguments
        let failures = lane.cursor.failures(lease.offset) + 1
        let isLast = end != .cancelled && arguments.retry.map { failures >= $0.attempts } ?? false
        if isLast || lane.queue.isOverDeliveryLimit(failures) {
            noteIfTold(lease, of: lane, end, by: channel, at: now)
            return doom(lease, of: lane, .deliveryLimit)
        }
        switch when {
        case .atOnce:
            lane.cursor.release(lease.offset)
            touch(lane)
        case .later(let milliseconds):
            noteIfTold(lease, of: lane, end, by: channel, at: now)
            doom(lease, of: lane, .delayed(until: now.wall.later(byMilliseconds: milliseconds)))
        }
    }

    /// The message is about to move. Of a queue with a rule for retries it takes along who had it, for how long, and
    /// how that ended.
    func noteIfTold(
        _ lease: Channel.Lease, of lane: Lane, _ end: Attempt.End, by channel: Channel, at now: Now
    ) {
        guard lane.queue.arguments.retry != nil else { return }
        let info = channel.info
        let attempt = Attempt(
            began: lease.began, ended: now.wall, end: end, worker: info.author,
            process: info.processID.map { Int32(clamping: $0) } ?? 0)
        note(attempt, at: lease.offset, of: lane)
    }

    /// A number that looks random, and is the same whenever the same happens: by it messages that failed together come
    /// back apart. Source: SplitMix64, its last steps
    func chance(_ lease: Channel.Lease, of lane: Lane, _ failures: Int) -> UInt64 {
        var mixed = UInt64(bitPattern: lane.log.id.rawValue) << 40 ^ UInt64(bitPattern: lease.offset.rawValue)
        mixed &+= UInt64(truncatingIfNeeded: failures) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

extension Queue {
    /// Whether a message of which so many deliveries have failed is to be handed out no more.
    func isOverDeliveryLimit(_ failures: Int) -> Bool {
        guard let limit = arguments.deliveryLimit, limit >= 0 else { return false }
        return failures > limit
    }
}
