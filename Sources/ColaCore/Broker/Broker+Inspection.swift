internal import DequeModule
internal import OrderedCollections

// What people see when they look inside.
extension Broker {
    func rows(_ listing: Listing) -> Rows {
        switch listing {
        case .queues: .queues(queueRows)
        case .topics: .topics(topicRows)
        case .exchanges: .exchanges(router.exchanges.values.map(\.definition).sorted { $0.name < $1.name })
        case .bindings:
            .bindings(
                router.bindings.sorted {
                    ($0.source, $0.routingKey, $0.destination) < ($1.source, $1.routingKey, $1.destination)
                })
        case .consumers: .consumers(sortedChannels.flatMap(consumerRows))
        case .connections: .connections(sortedChannels.map(connectionRow))
        }
    }

    func currentStatistics(at now: Now) -> Statistics {
        var current = statistics
        let began = began ?? now.monotonic
        current.uptimeSeconds = Int((now.monotonic.rawValue - began.rawValue) / 1_000_000_000)
        current.connections = channels.count
        for channel in sortedChannels { current.consumers += channel.consumers.count }
        for destination in router.destinations.values {
            switch destination {
            case .queue: current.queues += 1
            case .topic: current.topics += 1
            }
            current.messages += destination.log.messages
        }
        current.memory = cacheBytes + gatheringBytes
        current.blocked = blocked
        return current
    }

    private var sortedChannels: [Channel] { channels.values.sorted { $0.id < $1.id } }

    private var queueRows: [QueueRow] {
        let rows = router.destinations.values.compactMap { destination -> QueueRow? in
            guard case .queue(let queue) = destination else { return nil }
            return QueueRow(
                name: queue.name, ready: queue.ready, unacknowledged: queue.cursor.leasedCount, bytes: queue.log.bytes,
                consumers: queue.consumers.count)
        }
        return rows.sorted { $0.name < $1.name }
    }

    private var topicRows: [TopicRow] {
        let rows = router.destinations.values.compactMap { destination -> TopicRow? in
            guard case .topic(let topic) = destination else { return nil }
            return TopicRow(
                name: topic.name, partitions: topic.partitions.count, messages: topic.log.messages,
                bytes: topic.log.bytes, first: topic.log.start, next: topic.log.next)
        }
        return rows.sorted { $0.name < $1.name }
    }

    private func consumerRows(of channel: Channel) -> [ConsumerRow] {
        channel.consumers.map { consumer in
            let source =
                switch consumer.source {
                case .queue(let queue): queue.name
                case .topic(let topic): topic.name
                }
            return ConsumerRow(
                connection: channel.id, consumer: consumer.tag, source: source, prefetch: consumer.prefetch,
                credit: consumer.credit, unacknowledged: consumer.unacknowledged)
        }
    }

    private func connectionRow(of channel: Channel) -> ConnectionRow {
        ConnectionRow(
            connection: channel.id, info: channel.info, consumers: channel.consumers.count,
            unacknowledged: channel.leaseCount)
    }
}
