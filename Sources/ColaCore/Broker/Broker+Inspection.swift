internal import OrderedCollections

// What people see when they look inside.
extension Broker {
    func rows(_ listing: Listing, in host: VirtualHost, at now: Now) -> [Description] {
        switch listing {
        case .queues: return queues(of: host).map(row)
        case .topics: return topics(of: host).map(row)
        case .exchanges: return host.router.exchanges.values.map(\.definition).sorted { $0.name < $1.name }.map(row)
        case .bindings: return sorted(host.router.bindings).map(row)
        case .consumers:
            return channels(of: host).flatMap { channel in channel.consumers.map { row($0, of: channel) } }
        case .connections: return connections.map(row)
        case .groups:
            return topics(of: host).flatMap { topic in
                topic.groups.sorted { $0.key < $1.key }.map { row($0.value, named: $0.key, of: topic) }
            }
        case .policies: return host.policies.values.map(\.definition).sorted { $0.name < $1.name }.map(row)
        case .virtualHosts: return hosts.values.sorted { $0.name < $1.name }.map(row)
        case .users: return userRows
        case .passwordHashes: return passwordHashRows
        case .permissions: return permissionRows
        case .topicPermissions: return topicPermissionRows
        }
    }

    func sorted(_ bindings: [BindingDefinition]) -> [BindingDefinition] {
        bindings.sorted {
            if ($0.source, $0.routingKey, $0.destination) != ($1.source, $1.routingKey, $1.destination) {
                return ($0.source, $0.routingKey, $0.destination) < ($1.source, $1.routingKey, $1.destination)
            }
            if $0.target != $1.target { return $0.target.rawValue < $1.target.rawValue }
            return $0.arguments.entries.lexicographicallyPrecedes($1.arguments.entries) {
                ($0.name, $0.value.text ?? "") < ($1.name, $1.value.text ?? "")
            }
        }
    }

    func queues(of host: VirtualHost) -> [Queue] {
        host.router.destinations.values.compactMap { destination -> Queue? in
            guard case .queue(let queue) = destination else { return nil }
            return queue
        }.sorted { $0.name < $1.name }
    }

    func topics(of host: VirtualHost) -> [Topic] {
        host.router.destinations.values.compactMap { destination -> Topic? in
            guard case .topic(let topic) = destination else { return nil }
            return topic
        }.sorted { $0.name < $1.name }
    }

    var sortedChannels: [Channel] { channels.values.sorted { $0.id < $1.id } }

    private var connections: [Channel] { sortedChannels.filter(\.id.isConnection) }

    func channels(of host: VirtualHost) -> [Channel] { sortedChannels.filter { $0.host === host } }

    // MARK: Rows

    func row(_ queue: Queue) -> Description {
        var row = Description()
        row.add("name", queue.name)
        row.add("ready", queue.ready)
        row.add("unacknowledged", queue.leased)
        row.add("messages", queue.messages)
        row.add("bytes", queue.lanes.reduce(0) { $0 + $1.log.bytes })
        row.add("consumers", queue.consumers.count)
        row.add("durable", queue.isDurable)
        row.add("policy", queue.policy)
        row.add("type", (queue.definition.arguments.queueType ?? .classic).rawValue)
        return row
    }

    func row(_ topic: Topic) -> Description {
        var row = Description()
        row.add("name", topic.name)
        row.add("partitions", topic.partitions.count)
        row.add("messages", topic.messages)
        row.add("bytes", topic.partitions.reduce(0) { $0 + $1.log.bytes })
        row.add("first", Int(topic.partitions[0].log.start.rawValue))
        row.add("next", Int(topic.partitions[0].log.next.rawValue))
        row.add("readers", topic.readers.count)
        row.add("groups", topic.groups.count)
        row.add("policy", topic.policy)
        return row
    }

    func row(_ exchange: ExchangeDefinition) -> Description {
        var row = Description()
        row.add("name", exchange.name)
        row.add("type", exchange.kind.rawValue)
        row.add("alternate", exchange.alternate)
        row.add("durable", exchange.isDurable)
        row.add("auto-delete", exchange.isAutoDelete)
        row.add("internal", exchange.isInternal)
        row.add("delayed", exchange.isDelayed)
        row.add("arguments", .fields(fields(exchange.arguments)))
        return row
    }

    func row(_ binding: BindingDefinition) -> Description {
        var row = Description()
        row.add("source", binding.source)
        row.add("destination", binding.destination)
        row.add("to", binding.target.rawValue)
        row.add("key", binding.routingKey)
        let match = binding.match
        if !match.headers.isEmpty {
            row.add("match", match.isAny ? "any" : "all")
            var headers = Description()
            for header in match.headers { headers.add(header.name, header.value) }
            row.add("headers", .fields(headers))
        }
        if !binding.arguments.isEmpty { row.add("arguments", .fields(fields(binding.arguments))) }
        return row
    }

    private func fields(_ arguments: ArgumentTable) -> Description {
        var fields = Description()
        for entry in arguments.entries {
            switch entry.value {
            case .nothing: fields.add(entry.name, Description.Value.none)
            case .truth(let truth): fields.add(entry.name, truth)
            case .integer(let number): fields.add(entry.name, Int(number))
            case .float, .text, .opaque(_, _, _?): fields.add(entry.name, entry.value.text)
            case .opaque(_, let bytes, nil): fields.add(entry.name, ArgumentTable.hexadecimal(bytes))
            }
        }
        return fields
    }

    private func row(_ consumer: Consumer, of channel: Channel) -> Description {
        var row = Description()
        row.add("connection", Int(clamping: channel.id.connection.rawValue))
        if !channel.id.isConnection { row.add("channel", Int(channel.id.number)) }
        row.add("consumer", Int(clamping: consumer.tag.rawValue))
        switch consumer.source {
        case .queue(let queue): row.add("queue", queue.name)
        case .topic(let topic): row.add("queue", topic.name)
        }
        row.add("prefetch", consumer.prefetch)
        row.add("credit", consumer.credit)
        row.add("unacknowledged", consumer.unacknowledged)
        row.add("priority", consumer.priority)
        row.add("active", consumer.isActive)
        row.add("group", consumer.group)
        if !consumer.positions.isEmpty { row.add("partitions", .list(consumer.positions.map(position))) }
        return row
    }

    private func position(_ position: Consumer.Position) -> Description.Value {
        var row = Description()
        row.add("partition", position.partition.number)
        row.add("next", Int(position.cursor.next.rawValue))
        row.add("lag", lag(of: position.partition.log, from: position.cursor.next))
        return .fields(row)
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
        let parts = channel.connection.channels
        if !parts.isEmpty { row.add("channels", parts.count) }
        row.add("consumers", parts.reduce(channel.consumers.count) { $0 + $1.consumers.count })
        row.add("unacknowledged", parts.reduce(channel.leaseCount) { $0 + $1.leaseCount })
        row.add("since", Int(info.since.rawValue))
        row.add("vhost", info.host)
        row.add("worker", info.worker?.name)
        return row
    }

    func row(_ group: ConsumerGroup, named name: String, of topic: Topic) -> Description {
        var row = Description()
        row.add("topic", topic.name)
        row.add("group", name)
        row.add("members", group.membership.members.count)
        row.add("generation", Int(group.membership.generation))
        row.add("strategy", group.membership.strategy?.rawValue)
        row.add("lag", lag(of: group, in: topic))
        return row
    }

    /// Records that the group has still to read, as far as it has said where it is. Missing offsets count.
    private func lag(of group: ConsumerGroup, in topic: Topic) -> Int {
        group.offsets.reduce(0) { sum, element in
            sum + lag(of: topic.partitions[element.key].log, from: element.value.next)
        }
    }

    func lag(of log: Log, from next: Offset) -> Int { max(0, log.next.distance(from: max(next, log.start))) }

    func row(_ policy: PolicyDefinition) -> Description {
        var row = Description()
        row.add("name", policy.name)
        row.add("pattern", policy.pattern)
        row.add("to", policy.appliesTo.rawValue)
        row.add("priority", policy.priority)
        row.add("arguments", .fields(description(of: policy.arguments)))
        return row
    }

    func description(of arguments: Arguments) -> Description {
        var row = Description()
        for argument in Argument.allCases {
            if let text = argument.text(in: arguments) { row.add(argument.rawValue, text) }
        }
        return row
    }

    // MARK: The server

    func statisticsRow(at now: Now) -> Description {
        let began = began ?? now.monotonic
        var (queues, topics, messages) = (0, 0, 0)
        for host in hosts.values {
            for destination in host.router.destinations.values {
                switch destination {
                case .queue(let queue):
                    queues += 1
                    messages += queue.messages
                case .topic(let topic):
                    topics += 1
                    messages += topic.messages
                case .partition: break  // of a topic that is counted
                }
            }
        }
        var row = Description()
        row.add("epoch", Int(epoch.rawValue))
        row.add("uptime", Int((now.monotonic.rawValue - began.rawValue) / 1_000_000_000))
        row.add("connections", channels.keys.reduce(0) { $0 + ($1.isConnection ? 1 : 0) })
        row.add("consumers", channels.values.reduce(0) { $0 + $1.consumers.count })
        row.add("queues", queues)
        row.add("topics", topics)
        row.add("messages", messages)
        row.add("published", statistics.published)
        row.add("delivered", statistics.delivered)
        row.add("acknowledged", statistics.acknowledged)
        row.add("redelivered", statistics.redelivered)
        row.add("elided", statistics.elided)
        row.add("commits", statistics.commits)
        row.add("memory", cacheBytes + gatheringBytes + pinnedBytes + schedule.byteCount)
        row.add("blocked", alarms.values.first)
        row.add("quarantined", statistics.quarantined)
        row.add("scheduled", schedule.storedCount)
        row.add("undeliverable", statistics.undeliverable)
        row.add("remembered", seenCount)
        row.add("backup", backupRow)
        return row
    }
}
