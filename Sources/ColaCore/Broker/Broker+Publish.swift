// From producers to logs.
extension Broker {
    func publish(_ publish: Publish, _ id: RequestID, from channel: Channel, at now: Now) {
        channel.isPublisher = true
        guard
            let route = router.route(
                exchange: publish.exchange, key: publish.routingKey, headers: publish.message.headers)
        else {
            return refuse(channel, id, .notFound(.exchange, name: publish.exchange))
        }
        guard !route.isEmpty || !publish.isMandatory else {
            return refuse(channel, id, .unroutable(exchange: publish.exchange, routingKey: publish.routingKey))
        }
        let bytes = publish.byteCount.multipliedReportingOverflow(by: route.count)
        guard !bytes.overflow, bytes.partialValue <= limits.transactionBytesMax else {
            let size = bytes.overflow ? Int.max : bytes.partialValue
            return refuse(channel, id, .transactionTooLarge(bytes: size, limit: limits.transactionBytesMax))
        }
        guard gatheringBytes + bytes.partialValue <= limits.gatheringBytesMost else {
            return refuse(channel, id, .overloaded(waiting: gatheringBytes))
        }
        for destination in route {
            append(publish.message, to: destination, at: now)
            for message in publish.more { append(message, to: destination, at: now) }
        }
        statistics.published += 1 + publish.more.count
        if !route.isEmpty { didChange(channel) }
        respond(channel, id, .done)
    }

    private func append(_ message: Message, to destination: Router.Destination, at now: Now) {
        switch destination {
        case .queue(let queue):
            touch(queue)
            gatheringBytes += queue.log.append(message, at: now.wall)
        case .topic(let topic):
            touch(topic)
            gatheringBytes += topic.log.append(message, at: now.wall)
        }
    }
}
