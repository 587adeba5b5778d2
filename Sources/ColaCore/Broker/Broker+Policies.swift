internal import OrderedCollections

// Arguments that change while messages flow, of one queue or topic or by pattern.
extension Broker {
    func alter(
        _ name: String, _ set: Arguments, _ clear: [Argument], _ id: RequestID, for channel: Channel,
        in host: VirtualHost, at now: Now
    ) {
        guard let destination = host.router.destinations[name] else {
            return refuse(channel, id, .notFound(.queueOrTopic, name: name))
        }
        let before: Arguments
        switch destination {
        case .queue(let queue):
            if let error = lockError(queue, channel) { return refuse(channel, id, error) }
            before = queue.definition.arguments
        case .topic(let topic): before = topic.definition.arguments
        }
        var after = set.filled(from: before)
        for argument in clear { argument.clear(in: &after) }
        if after.maxPriority ?? 0 < before.maxPriority ?? 0 {
            return refuse(
                channel, id,
                .mismatch("max-priority of '\(name)' is \(before.maxPriority ?? 0) and can be raised, not lowered"))
        }
        if let error = checkArguments(after, isQueue: destination.isQueue) { return refuse(channel, id, error) }
        switch destination {
        case .queue(let queue):
            queue.definition.arguments = after
            if queue.isDurable { change(.put(.queue(queue.definition))) }
        case .topic(let topic):
            topic.definition.arguments = after
            change(.put(.topic(topic.definition)))
        }
        refresh(destination, at: now)
        didChange(channel)
        respond(channel, id, .done)
    }

    func setPolicy(
        _ policy: PolicyDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        if let error = nameError(policy.name) { return refuse(channel, id, error) }
        for argument in Argument.allCases where argument.text(in: policy.arguments) != nil {
            guard argument.isOfPolicies, policy.appliesTo != .topics || argument.isOfTopics,
                policy.appliesTo != .queues || argument.isOfQueues
            else {
                return refuse(
                    channel, id,
                    .badArgument("\(argument.rawValue) cannot be set by a policy for \(policy.appliesTo.rawValue)"))
            }
        }
        guard host.policies[policy.name] != nil || host.policies.count < limits.policiesMax else {
            return refuse(channel, id, .limit(what: "policies", limit: limits.policiesMax, setting: ""))
        }
        do {
            try host.set(policy)
        } catch {
            return refuse(channel, id, .badArgument("the pattern of policy '\(policy.name)' cannot be used: \(error)"))
        }
        change(.put(.policy(policy)))
        refreshAll(in: host, at: now)
        didChange(channel)
        respond(channel, id, .done)
    }

    func clearPolicy(_ name: String, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now) {
        guard let policy = host.removePolicy(name) else { return refuse(channel, id, .notFound(.policy, name: name)) }
        change(.remove(.policy(policy)))
        refreshAll(in: host, at: now)
        didChange(channel)
        respond(channel, id, .done)
    }

    /// Looks at every queue and topic again, as many as a turn allows and the rest in those that follow. The policy is
    /// answered for when it is stored; where there are more than that, it reaches the last of them a few turns later.
    private func refreshAll(in host: VirtualHost, at now: Now) {
        host.unrefreshed = host.router.destinations.count
        if !refreshing.contains(where: { $0 === host }) { refreshing.append(host) }
        goOnRefreshing(at: now)
    }

    /// From the last to the first: what is added meanwhile comes behind them and knows the policies, and where one is
    /// removed it is the last one that takes its place.
    func goOnRefreshing(at now: Now) {
        while let host = refreshing.first {
            host.unrefreshed = min(host.unrefreshed, host.router.destinations.count)
            while host.unrefreshed > 0 {
                guard sweepBudget > 0 else { return }
                // To match many patterns is as much work as to move a message.
                sweepBudget -= 1 + host.policies.count / 16
                host.unrefreshed -= 1
                refresh(host.router.destinations.values[host.unrefreshed], at: now)
            }
            refreshing.removeFirst()
        }
    }

    /// The arguments may have changed: what they ask for is done from now on.
    private func refresh(_ destination: Router.Destination, at now: Now) {
        switch destination {
        case .queue(let queue):
            let before = queue.arguments
            refreshArguments(of: queue)
            guard queue.arguments != before else { return }
            for consumer in queue.consumers { queue.enqueue(consumer) }
            if queue.arguments.expires != before.expires { used(queue, at: now) }
            dispatchLater(queue)
        case .topic(let topic):
            let before = topic.arguments
            refreshArguments(of: topic)
            guard topic.arguments != before else { return }
            for partition in topic.partitions {
                watchRetention(of: partition, at: now)
                considerCompaction(of: partition, at: now)
            }
            goOnCompacting(at: now)
        }
    }

    /// Nil if a queue or topic can have these.
    func checkArguments(_ arguments: Arguments, isQueue: Bool) -> BrokerError? {
        for argument in Argument.allCases where argument.text(in: arguments) != nil {
            guard isQueue ? argument.isOfQueues : argument.isOfTopics else {
                let others = isQueue ? "topics" : "queues"
                return .badArgument("\(argument.rawValue) is an argument of \(others)")
            }
        }
        if arguments.deadLetterRoutingKey != nil, arguments.deadLetterExchange == nil {
            return .badArgument("dead-letter-routing-key needs a dead-letter-exchange (empty: the default exchange)")
        }
        return nil
    }
}

extension Router.Destination {
    var isQueue: Bool { if case .queue = self { true } else { false } }
}
