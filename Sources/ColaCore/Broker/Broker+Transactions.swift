// Publishes and acknowledgements that belong together: one command, so one batch.
extension Broker {
    /// Does all of them, in their order, or none: what could be refused is looked at first.
    func perform(
        _ requests: [(RequestID, Request)], _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        if let error = obstacle(to: requests, of: channel, in: host) { return refuse(channel, id, error) }
        for (part, request) in requests { perform(request, part, for: channel, at: now) }
        respond(channel, id, .done)
    }

    private func obstacle(
        to requests: [(RequestID, Request)], of channel: Channel, in host: VirtualHost
    ) -> BrokerError? {
        var bytes = 0
        for (_, request) in requests {
            if let error = accessError(request, channel) { return error }
            switch request {
            case .publish(let publish):
                guard
                    let route = host.router.route(
                        exchange: publish.exchange, key: publish.routingKey, headers: publish.message.headers)
                else { return .notFound(.exchange, name: publish.exchange) }
                let copies = publish.byteCount.multipliedReportingOverflow(by: route.count)
                let sum = bytes.addingReportingOverflow(copies.partialValue)
                guard !copies.overflow, !sum.overflow, sum.partialValue <= limits.transactionBytesMax else {
                    return .transactionTooLarge(bytes: .max, limit: limits.transactionBytesMax)
                }
                bytes = sum.partialValue
            case .settle(_, let last, _):
                guard last == DeliveryTag(.max) || channel.holds(last) else {
                    return .unknownDelivery(first: last, last: last)
                }
            default: preconditionFailure("\(request) is no part of a transaction")
            }
        }
        return nil
    }
}
