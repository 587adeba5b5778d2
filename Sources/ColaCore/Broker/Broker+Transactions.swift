// Publishes and acknowledgements that belong together: one command, so one batch.
extension Broker {
    /// Does all of them or none: what could be refused is looked at first.
    ///
    /// As RabbitMQ, first the publishes in their order and then the settlements in theirs: what is given back to a
    /// queue must not take the place that was found for a publish.
    func perform(
        _ requests: [(RequestID, Request)], _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        var draft = TransactionDraft()
        for (_, request) in requests {
            guard let error = obstacle(to: request, after: &draft, of: channel, in: host) else { continue }
            // What befalls a publish alone elsewhere befalls all of them here.
            return refuse(channel, id, error.endsStrictChannel ? error : .mismatch("nothing of it was done: \(error)"))
        }
        for case (let part, .publish(let publish)) in requests {
            perform(.publish(publish), part, for: channel, at: now)
        }
        for case (let part, .settle(let first, let last, let settlement)) in requests {
            endLeases(of: channel, from: first, through: last, settlement, because: settlement.end, at: now)
            respond(channel, part, .done)
        }
        channel.endReservations()
        respond(channel, id, .done)
    }

    /// Puts the deliveries aside for a transaction, so that whoever names one that is not there hears of it at once.
    func reserve(
        first: DeliveryTag, last: DeliveryTag, isLastNamed: Bool, _ id: RequestID, for channel: Channel
    ) {
        guard !isLastNamed || channel.canReserve(last) else {
            return refuse(channel, id, .unknownDelivery(first: last, last: last))
        }
        channel.reserve(from: first, through: last)
        respond(channel, id, .done)
    }

    /// What the parts of a transaction that were looked at lead to.
    private struct TransactionDraft {
        var bytes = 0
        /// What each queue gets. Looked up, never walked.
        var loads: [LogID: (messages: Int, bytes: Int)] = [:]
    }

    private func obstacle(
        to request: Request, after draft: inout TransactionDraft, of channel: Channel, in host: VirtualHost
    ) -> BrokerError? {
        if let error = accessError(request, channel) { return error }
        switch request {
        case .publish(let publish): return obstacle(to: publish, after: &draft, in: host)
        case .settle: return nil
        default: preconditionFailure("\(request) is no part of a transaction")
        }
    }

    private func obstacle(
        to publish: Publish, after draft: inout TransactionDraft, in host: VirtualHost
    ) -> BrokerError? {
        guard
            let route = host.router.route(
                exchange: publish.exchange, key: publish.routingKey, moreKeys: publish.moreKeys,
                headers: publish.message.headers)
        else { return .notFound(.exchange, name: publish.exchange) }
        if let error = internalError(publish, in: host) { return error }
        let copies = publish.byteCount.multipliedReportingOverflow(by: route.count)
        let sum = draft.bytes.addingReportingOverflow(copies.partialValue)
        guard !copies.overflow, !sum.overflow, sum.partialValue <= limits.transactionBytesMax else {
            return .transactionTooLarge(bytes: .max, limit: limits.transactionBytesMax)
        }
        guard gatheringBytes + sum.partialValue <= limits.gatheringBytesMost else {
            return .overloaded(waiting: gatheringBytes)
        }
        draft.bytes = sum.partialValue
        for case .queue(let queue) in route where queue.refusesWhenFull {
            var load = draft.loads[queue.definition.log] ?? (0, 0)
            load.messages += 1
            load.bytes += publish.byteCount
            draft.loads[queue.definition.log] = load
            if queue.exceeds(messages: load.messages, bytes: load.bytes) {
                let (limit, unit) =
                    queue.arguments.maxLength.map { ($0, "messages") }
                    ?? (queue.arguments.maxLengthBytes ?? 0, "bytes")
                return .queueFull(name: queue.name, limit: limit, unit: unit)
            }
        }
        return nil
    }
}
