internal import DequeModule

// Consumers that hold a message for longer than they may.
//
// No timer per message: each channel has one, for its lease that is to end first, and is looked through when that goes
// off. What was settled meanwhile only makes it go off in vain.
extension Broker {
    /// A channel is looked through at most so often while its shortest timeout passes.
    private static let looksPerTimeout: Int64 = 64

    /// Something was handed out that may be held for so long. Milliseconds.
    func watch(_ channel: Channel, forMilliseconds timeout: Int64, at now: Now) {
        let due = now.monotonic.advanced(byMilliseconds: timeout)
        if let known = channel.leaseWatch, known <= due { return }
        channel.leaseWatch = due
        timers.set(.leases(channel.id), at: due)
    }

    /// Consumers of the queue may hold what they have for another time than before.
    func watchHolders(of queue: Queue, at now: Now) {
        guard queue.arguments.consumerTimeout != nil else { return }
        for consumer in queue.consumers {
            if let channel = consumer.channel { watch(channel, forMilliseconds: 0, at: now) }
        }
    }

    /// Ends the consumers of the channel that hold something for too long.
    func lookThrough(_ id: ChannelID, at now: Now) {
        guard let channel = channels[id] else { return }
        channel.leaseWatch = nil
        var next = Int64.max
        var shortest = Int64.max
        var overdue: [(tag: DeliveryTag, lease: Channel.Lease, timeout: Int64)] = []
        channel.eachLease { tag, lease in
            guard let timeout = lease.timeout else { return }
            shortest = min(shortest, timeout)
            let left = timeout - (now.wall.rawValue - lease.began.rawValue)
            if left > 0 {
                next = min(next, left)
            } else if !overdue.contains(where: { $0.lease.consumer === lease.consumer }) {
                overdue.append((tag, lease, timeout))
            }
        }
        for (tag, lease, timeout) in overdue { end(lease, tag, heldFor: timeout, by: channel, at: now) }
        if next < .max {
            watch(channel, forMilliseconds: max(next, min(shortest / Self.looksPerTimeout, 60_000), 1), at: now)
        }
    }

    /// The consumer ends, and all that it holds goes back. Whether its channel ends as well is its protocol's business.
    private func end(
        _ lease: Channel.Lease, _ tag: DeliveryTag, heldFor timeout: Int64, by channel: Channel, at now: Now
    ) {
        guard case .queue(let queue) = lease.consumer.source else { return }
        let error = BrokerError.heldTooLong(tag, name: queue.name, milliseconds: timeout)
        let held = channel.leases { $0.consumer === lease.consumer }
        if lease.consumer.channel == nil {
            // It was cancelled before, or asked for one message alone.
            effects.append(.consumerFailed(channel.id, lease.consumer.tag, error))
        } else {
            end(lease.consumer, because: error, at: now)
        }
        for (tag, lease) in held {
            let isOverdue = now.wall.rawValue - lease.began.rawValue >= timeout
            endLeases(
                of: channel, from: tag, through: tag, .release, because: isOverdue ? .timedOut : .cancelled, at: now)
        }
    }
}

extension Channel.Lease {
    /// How long it may be held. Milliseconds; nil: for any time.
    fileprivate var timeout: Int64? {
        guard case .queue(let queue) = consumer.source else { return nil }
        return consumer.timeout(of: queue)
    }
}

extension Consumer {
    /// How long it may hold a message of its queue. Milliseconds; nil: for any time.
    func timeout(of queue: Queue) -> Int64? {
        guard let timeout = timeout ?? queue.arguments.consumerTimeout, timeout > 0 else { return nil }
        return timeout
    }
}
