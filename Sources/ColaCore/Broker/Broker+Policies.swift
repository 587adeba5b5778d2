internal import OrderedCollections

// Arguments that change while messages flow, of one queue or topic or by pattern.
extension Broker {
    func alter(
        _ name: String, _ set: Arguments, _ clear: [Argument], _ id: RequestID, for channel: Channel,
        in host: VirtualHost, at now: Now
    ) {
        guard let destination = host.router.destination(named: name) else {
            return refuse(channel, id, .notFound(.queueOrTopic, name: name))
        }
        if case .partition(let partition) = destination {
            return refuse(channel, id, .mismatch("\(partition.sentence); change the topic"))
        }
        if case .queue(let queue) = destination, let error = lockError(queue, channel) {
            return refuse(channel, id, error)
        }
        let before = destination.ownArguments
        var after = set.filled(from: before)
        for argument in clear { argument.clear(in: &after) }
        if after.maxPriority ?? 0 < before.maxPriority ?? 0 {
            return refuse(
                channel, id,
                .mismatch("max-priority of '\(name)' is \(before.maxPriority ?? 0) and can be raised, not lowered"))
        }
        if let error = checkArguments(after, isQueue: destination.isQueue) { return refuse(channel, id, error) }
        put(after, of: destination, at: now)
        didChange(channel)
        respond(channel, id, .done)
    }

    /// What is there is declared again, and takes what it is declared with; what is not said stays.
    ///
    /// - Returns: why it cannot; nothing has changed then.
    func adopt(
        _ declared: Arguments, for destination: Router.Destination, by channel: Channel, at now: Now
    ) -> BrokerError? {
        let before = destination.ownArguments
        var after = declared.filled(from: before)
        // It can be raised, not lowered.
        after.maxPriority = [before.maxPriority, after.maxPriority].compactMap { $0 }.max()
        guard after != before else { return nil }
        if let error = checkArguments(after, isQueue: destination.isQueue) { return error }
        put(after, of: destination, at: now)
        didChange(channel)
        return nil
    }

    private func put(_ arguments: Arguments, of destination: Router.Destination, at now: Now) {
        switch destination {
        case .queue(let queue):
            queue.definition.arguments = arguments
            if queue.isDurable { change(.put(.queue(queue.definition))) }
        case .topic(let topic):
            topic.definition.arguments = arguments
            change(.put(.topic(topic.definition)))
        case .partition(let partition): return put(arguments, of: .topic(partition.topic), at: now)
        }
        refresh(destination, at: now)
    }

    func setPolicy(
        _ policy: PolicyDefinition, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        if let error = nameError(policy.name) { return refuse(channel, id, error) }
        for argument in Argument.allCases where argument.text(in: policy.arguments) != nil {
            guard policy.appliesTo.takes(argument) else {
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

    /// Looks at every queue, topic and exchange again, as many as a turn allows and the rest in those that follow. The
    /// policy is answered for when it is stored; where there are more than that, it reaches the last of them a few
    /// turns later.
    private func refreshAll(in host: VirtualHost, at now: Now) {
        host.unrefreshed = host.router.destinations.count
        host.unrefreshedExchanges = host.router.exchanges.count
        if !refreshing.contains(where: { $0 === host }) { refreshing.append(host) }
        goOnRefreshing(at: now)
    }

    /// From the last to the first: what is added meanwhile comes behind them and knows the policies, and where one is
    /// removed it is the last one that takes its place.
    func goOnRefreshing(at now: Now) {
        while let host = refreshing.first {
            host.unrefreshed = min(host.unrefreshed, host.router.destinations.count)
            while host.unrefreshed > 0 {
                guard spendOnPolicies(of: host) else { return }
                host.unrefreshed -= 1
                refresh(host.router.destinations.values[host.unrefreshed], at: now)
            }
            host.unrefreshedExchanges = min(host.unrefreshedExchanges, host.router.exchanges.count)
            while host.unrefreshedExchanges > 0 {
                guard spendOnPolicies(of: host) else { return }
                host.unrefreshedExchanges -= 1
                refreshArguments(of: host.router.exchanges.values[host.unrefreshedExchanges], in: host)
            }
            refreshing.removeFirst()
        }
    }

    /// To match many patterns is as much work as to move a message.
    private func spendOnPolicies(of host: VirtualHost) -> Bool {
        guard sweepBudget > 0 else { return false }
        sweepBudget -= 1 + host.policies.count / 16
        return true
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
            if queue.arguments.consumerTimeout != before.consumerTimeout { watchHolders(of: queue, at: now) }
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
        case .partition(let partition): refresh(.topic(partition.topic), at: now)
        }
    }

    /// Nil if a queue or topic can have these.
    func checkArguments(_ arguments: Arguments, isQueue: Bool) -> BrokerError? {
        for argument in Argument.allCases where argument.text(in: arguments) != nil {
            guard isQueue ? argument.isOfQueues : argument.isOfTopics else {
                let others = argument.isOfExchanges ? "policies for exchanges" : isQueue ? "topics" : "queues"
                return .badArgument("\(argument.rawValue) is an argument of \(others)")
            }
        }
        if arguments.deadLetterRoutingKey != nil, arguments.deadLetterExchange == nil {
            return .badArgument("dead-letter-routing-key needs a dead-letter-exchange (empty: the default exchange)")
        }
        if let first = arguments.delayedRetryMin, let most = arguments.delayedRetryMax, first > most {
            return .badArgument("delayed-retry-min is \(first), which is more than delayed-retry-max, \(most)")
        }
        return nil
    }
}

extension Router.Destination {
    var isQueue: Bool { if case .queue = self { true } else { false } }

    /// What it was declared with.
    fileprivate var ownArguments: Arguments {
        switch self {
        case .queue(let queue): queue.definition.arguments
        case .topic(let topic): topic.definition.arguments
        case .partition(let partition): partition.topic.definition.arguments
        }
    }
}
