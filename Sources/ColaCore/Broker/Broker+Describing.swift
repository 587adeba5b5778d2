internal import OrderedCollections

// Everything about one thing.
extension Broker {
    func description(
        of subject: Subject, in host: VirtualHost, at now: Now
    ) -> Result<Description, BrokerError> {
        switch subject {
        case .queue(let name):
            guard case .queue(let queue) = host.router.destinations[name] else {
                return .failure(.notFound(.queue, name: name))
            }
            return .success(describe(queue, at: now))
        case .topic(let name):
            guard case .topic(let topic) = host.router.destinations[name] else {
                return .failure(.notFound(.topic, name: name))
            }
            return .success(describe(topic))
        case .exchange(let name):
            guard let exchange = host.router.exchanges[name] else {
                return .failure(.notFound(.exchange, name: name))
            }
            var row = row(exchange.definition)
            row.add("policy", exchange.policy)
            row.add("effective-alternate", exchange.alternate)
            row.add("bindings", .list(sorted(host.router.bindings(from: name)).map { .fields(self.row($0)) }))
            return .success(row)
        case .group(let topicName, let name):
            guard case .topic(let topic) = host.router.destinations[topicName] else {
                return .failure(.notFound(.topic, name: topicName))
            }
            guard let group = topic.groups[name] else { return .failure(.notFound(.group, name: name)) }
            return .success(describe(group, named: name, of: topic))
        case .policy(let name):
            guard let policy = host.policies[name]?.definition else { return .failure(.notFound(.policy, name: name)) }
            var row = row(policy)
            let queues = queues(of: host).filter { $0.policy == name }.map { Description.Value.text($0.name) }
            row.add("queues", .list(queues))
            row.add("topics", .list(topics(of: host).filter { $0.policy == name }.map { .text($0.name) }))
            let exchanges = host.router.exchanges.values.filter { $0.policy == name }.map(\.definition.name).sorted()
            row.add("exchanges", .list(exchanges.map { .text($0) }))
            return .success(row)
        case .virtualHost(let name):
            guard let found = hosts[name] else { return .failure(.notFound(.virtualHost, name: name)) }
            var row = row(found)
            row.add("exchanges", found.router.exchanges.count)
            row.add("bindings", found.router.bindingCount)
            row.add("policies", found.policies.count)
            return .success(row)
        case .user(let name): return describe(user: name)
        }
    }

    private func describe(_ queue: Queue, at now: Now) -> Description {
        var row = row(queue)
        let backlog = backlog(of: queue.name, in: queue.host.name, at: now)
        row.add("oldest-ms", backlog.map { Int($0.oldestMilliseconds) })
        row.add("exclusive", queue.owner != nil)
        row.add("auto-delete", queue.definition.isAutoDelete)
        row.add("arguments", .fields(description(of: queue.definition.arguments)))
        row.add("effective", .fields(description(of: queue.arguments)))
        row.add("active", queue.active.map { "\($0.member)" })
        var counts = Description()
        counts.add("published", queue.counts.published)
        counts.add("delivered", queue.counts.delivered)
        counts.add("redelivered", queue.counts.redelivered)
        counts.add("acknowledged", queue.counts.acknowledged)
        counts.add("expired", queue.counts.expired)
        counts.add("dropped", queue.counts.dropped)
        counts.add("rejected", queue.counts.rejected)
        counts.add("dead-lettered", queue.counts.deadLettered)
        counts.add("parked", queue.counts.parked)
        counts.add("duplicates", queue.counts.duplicates)
        row.add("counts", .fields(counts))
        var ends = Description()
        for end in Attempt.End.allCases {
            ends.add(end.rawValue, end == .acknowledged ? queue.counts.acknowledged : queue.counts.ends[end] ?? 0)
        }
        row.add("ends", .fields(ends))
        row.add(
            "priorities",
            .list(
                queue.lanes.map { lane in
                    var row = Description()
                    row.add("priority", Int(lane.priority))
                    row.add("ready", lane.ready)
                    row.add("unacknowledged", lane.cursor.leasedCount)
                    row.add("released", lane.cursor.released.count)
                    row.add("suspected", lane.cursor.suspects.count)
                    row.add("moving", lane.cursor.doomed.count)
                    row.add("floor", Int(lane.cursor.floor.rawValue))
                    row.add("next", Int(lane.log.next.rawValue))
                    row.add("next-expiry", lane.nextExpiry.map { Int($0.rawValue) })
                    return .fields(row)
                }))
        let bindings = sorted(queue.host.router.bindings(of: queue.name, target: .queue))
        row.add("bindings", .list(bindings.map { .fields(self.row($0)) }))
        return row
    }

    private func describe(_ topic: Topic) -> Description {
        var row = row(topic)
        row.add("arguments", .fields(description(of: topic.definition.arguments)))
        row.add("effective", .fields(description(of: topic.arguments)))
        row.add("published", topic.published)
        row.add("trimmed", topic.trimmed)
        row.add("compacted", topic.compacted)
        row.add(
            "logs",
            .list(
                topic.partitions.map { partition in
                    var row = Description()
                    row.add("partition", partition.number)
                    row.add("first", Int(partition.log.start.rawValue))
                    row.add("next", Int(partition.log.next.rawValue))
                    row.add("messages", partition.log.messages)
                    row.add("bytes", partition.log.bytes)
                    return .fields(row)
                }))
        let bindings = sorted(topic.host.router.bindings(of: topic.name, target: .queue))
        row.add("bindings", .list(bindings.map { .fields(self.row($0)) }))
        return row
    }

    private func describe(_ group: ConsumerGroup, named name: String, of topic: Topic) -> Description {
        var row = row(group, named: name, of: topic)
        row.add(
            "offsets",
            .list(
                group.offsets.sorted { $0.key < $1.key }.map { number, offset in
                    let log = topic.partitions[number].log
                    var row = Description()
                    row.add("partition", number)
                    row.add("committed", Int(offset.next.rawValue))
                    row.add("next", Int(log.next.rawValue))
                    row.add("lag", lag(of: log, from: offset.next))
                    if !offset.metadata.isEmpty { row.add("metadata", offset.metadata) }
                    return .fields(row)
                }))
        row.add(
            "assignments",
            .list(
                group.membership.assignments.map { assignment in
                    var row = Description()
                    row.add("member", assignment.member)
                    row.add("partitions", .list(assignment.partitions.map { .number($0.partition) }))
                    return .fields(row)
                }))
        return row
    }
}
