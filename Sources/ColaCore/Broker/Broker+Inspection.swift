internal import OrderedCollections

// What people see when they look inside.
extension Broker {
    func rows(_ listing: Listing) -> [Description] {
        switch listing {
        case .queues:
            return router.destinations.values.compactMap { destination -> Queue? in
                guard case .queue(let queue) = destination else { return nil }
                return queue
            }.sorted { $0.name < $1.name }.map(row)
        case .topics:
            return router.destinations.values.compactMap { destination -> Topic? in
                guard case .topic(let topic) = destination else { return nil }
                return topic
            }.sorted { $0.name < $1.name }.map(row)
        case .exchanges: return router.exchanges.values.map(\.definition).sorted { $0.name < $1.name }.map(row)
        case .bindings:
            return router.bindings.sorted {
                ($0.source, $0.routingKey, $0.destination) < ($1.source, $1.routingKey, $1.destination)
            }.map(row)
        case .consumers: return sortedChannels.flatMap { channel in channel.consumers.map { row($0, of: channel) } }
        case .connections: return sortedChannels.map(row)
        case .groups, .policies, .virtualHosts: return []
        }
    }

    private func row(_ queue: Queue) -> Description {
        var row = Description()
        row.add("name", queue.name)
        row.add("ready", queue.ready)
        row.add("unacknowledged", queue.cursor.leasedCount)
        row.add("messages", queue.log.messages)
        row.add("bytes", queue.log.bytes)
        row.add("consumers", queue.consumers.count)
        return row
    }

    private func row(_ topic: Topic) -> Description {
        var row = Description()
        row.add("name", topic.name)
        row.add("partitions", topic.partitions.count)
        row.add("messages", topic.log.messages)
        row.add("bytes", topic.log.bytes)
        row.add("first", Int(topic.log.start.rawValue))
        row.add("next", Int(topic.log.next.rawValue))
        return row
    }

    private func row(_ exchange: ExchangeDefinition) -> Description {
        var row = Description()
        row.add("name", exchange.name)
        row.add("type", exchange.kind.rawValue)
        return row
    }

    private func row(_ binding: BindingDefinition) -> Description {
        var row = Description()
        row.add("source", binding.source)
        row.add("destination", binding.destination)
        row.add("key", binding.routingKey)
        return row
    }

    private func row(_ consumer: Consumer, of channel: Channel) -> Description {
        var row = Description()
        row.add("connection", Int(clamping: channel.id.rawValue))
        row.add("consumer", Int(clamping: consumer.tag.rawValue))
        switch consumer.source {
        case .queue(let queue): row.add("queue", queue.name)
        case .topic(let topic): row.add("queue", topic.name)
        }
        row.add("prefetch", consumer.prefetch)
        row.add("credit", consumer.credit)
        row.add("unacknowledged", consumer.unacknowledged)
        return row
    }

    private func row(_ channel: Channel) -> Description {
        let info = channel.info
        var row = Description()
        row.add("connection", Int(clamping: channel.id.rawValue))
        row.add("protocol", info.protocolName)
        row.add("peer", info.peer)
        row.add("user", info.user)
        row.add("client", info.client)
        row.add("pid", info.processID)
        row.add("uid", info.userID)
        row.add("consumers", channel.consumers.count)
        row.add("unacknowledged", channel.leaseCount)
        row.add("since", Int(info.since.rawValue))
        return row
    }

    func statisticsRow(at now: Now) -> Description {
        let began = began ?? now.monotonic
        var (queues, topics, messages) = (0, 0, 0)
        for destination in router.destinations.values {
            switch destination {
            case .queue: queues += 1
            case .topic: topics += 1
            }
            messages += destination.log.messages
        }
        var row = Description()
        row.add("epoch", Int(epoch.rawValue))
        row.add("uptime", Int((now.monotonic.rawValue - began.rawValue) / 1_000_000_000))
        row.add("connections", channels.count)
        row.add("consumers", sortedChannels.reduce(0) { $0 + $1.consumers.count })
        row.add("queues", queues)
        row.add("topics", topics)
        row.add("messages", messages)
        row.add("published", statistics.published)
        row.add("delivered", statistics.delivered)
        row.add("acknowledged", statistics.acknowledged)
        row.add("redelivered", statistics.redelivered)
        row.add("commits", statistics.commits)
        row.add("memory", cacheBytes + gatheringBytes)
        row.add("blocked", blocked)
        row.add("quarantined", statistics.quarantined)
        return row
    }

    private var sortedChannels: [Channel] { channels.values.sorted { $0.id < $1.id } }
}
