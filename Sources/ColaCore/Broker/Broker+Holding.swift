internal import DequeModule

// Channels of processes that somebody watches: they are fed or not, and what they hold may outlive them for a moment,
// until it is known how the process has ended.
extension Broker {
    /// Ends all of a channel but what it holds, and the queues that end with it.
    func hold(_ id: ChannelID, at now: Now) {
        guard let channel = channels[id] else { return }
        for part in parts(of: channel) { hold(part.id, at: now) }
        channel.isSuspended = true
        let consumers = channel.consumers
        channel.consumers = []
        for consumer in consumers { remove(consumer, at: now) }
        channel.deferred = []
        channel.stall = nil
        channel.heldBefore += channel.held.count
        channel.held = []
        holders.removeAll { $0 === channel }
        peeking.removeAll { $0 === channel }
        stalled.removeAll { $0 === channel }
        redrives.removeAll { $0.channel === channel }
        timers.cancel(.redrive(id))
        timers.cancel(.leases(id))
        abandonBackup(of: channel)
    }

    func abandon(_ id: ChannelID, _ attempt: Attempt, _ consequence: Consequence, at now: Now) {
        hold(id, at: now)
        guard let channel = channels[id] else { return }
        let settlement = Settlement.failed(attempt, consequence)
        for channel in [channel] + parts(of: channel) {
            endLeases(
                of: channel, from: DeliveryTag(0), through: DeliveryTag(.max), settlement, because: attempt.end, at: now
            )
        }
        detach(id, at: now)
    }

    /// The channels of the connection that this one stands for.
    private func parts(of channel: Channel) -> [Channel] {
        channel.id.isConnection ? channel.connection.channels : []
    }

    func feed(_ id: ChannelID, _ feeding: Feeding, at now: Now) {
        guard let channel = channels[id] else { return }
        for part in parts(of: channel) where !part.hasFailed { feed(part.id, feeding, at: now) }
        switch feeding {
        case .on:
            channel.isSuspended = false
            wakeConsumers(of: channel)
        case .paused:
            channel.isSuspended = true
            passOn(from: channel)
        case .ended where channel.info.isStrict:
            // A client of AMQP takes the end of a consumer for the end of its connection, and leaves what it works on.
            channel.isSuspended = true
            passOn(from: channel)
        case .ended(let reason):
            channel.isSuspended = true
            for consumer in channel.consumers { end(consumer, because: .stopped(reason), at: now) }
        }
    }

    /// What is handed out alone must not wait for one that gets nothing.
    private func passOn(from channel: Channel) {
        for consumer in channel.consumers where consumer.isWarden {
            guard case .queue(let queue) = consumer.source else { continue }
            dismissWarden(of: queue)
            dispatchLater(queue)
        }
    }

    /// What a channel has been given and what it still has; nil: there is no such channel.
    package func work(of id: ChannelID) -> ChannelWork? {
        guard let channel = channels[id] else { return nil }
        let all = [channel] + parts(of: channel)
        let oldest = all.compactMap(\.oldestLease).min { $0.began < $1.began }
        return ChannelWork(
            consumers: all.reduce(0) { $0 + $1.consumers.count },
            handedOut: all.reduce(channel.connection.handedOutBefore) { $0 + $1.handedOut },
            inHand: all.reduce(0) { $0 + $1.leaseCount },
            oldest: oldest.map { lease in
                switch lease.consumer.source {
                case .queue(let queue): .init(name: queue.name, offset: lease.offset, began: lease.began)
                case .topic(let topic): .init(name: topic.name, offset: lease.offset, began: lease.began)
                }
            })
    }
}

/// What a channel does, for whoever watches the process behind it.
package struct ChannelWork: Equatable, Sendable {
    package var consumers: Int
    /// Messages that it had to settle, since it began.
    package var handedOut: UInt64
    /// Those of them that are not settled.
    package var inHand: Int
    /// Of these the one that it has had for longest.
    package var oldest: Message?

    package struct Message: Equatable, Sendable {
        /// Of its queue or topic.
        package var name: String
        package var offset: Offset
        /// When it was handed out.
        package var began: Timestamp
    }
}
