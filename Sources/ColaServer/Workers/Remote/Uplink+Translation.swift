internal import ColaCore
internal import ColaNative
internal import NIOCore

extension ClientRequest {
    /// What a seat asks of its broker, as a request of the native protocol; but what it publishes.
    ///
    /// - Parameter earlier: how many of the seat's deliveries another connection has brought.
    /// - Returns: nil for what no seat asks.
    init?(_ request: Request, earlier: UInt64) {
        switch request {
        case .consume(let consume):
            var own = ClientRequest.Consume(name: consume.name, consumer: Int64(clamping: consume.consumer.rawValue))
            switch consume.flow {
            case .prefetch(let count): own.flow = .prefetch(count)
            case .credit(let count): own.flow = .credit(count)
            }
            self = .consume(own)
        case .grant(let consumer, let count):
            self = .credit(consumer: Int64(clamping: consumer.rawValue), count: count)
        case .cancel(let consumer): self = .cancel(consumer: Int64(clamping: consumer.rawValue))
        case .settle(let first, let last, let settlement):
            let first = Int64(clamping: first.rawValue - earlier)
            let last = Int64(clamping: last.rawValue - earlier)
            self.init(settlement, first...max(first, last))
        default: return nil
        }
    }

    private init(_ settlement: Settlement, _ deliveries: ClosedRange<Int64>) {
        switch settlement {
        case .acknowledge: self = .acknowledge(.ack, deliveries)
        case .retry: self = .acknowledge(.nack, deliveries)
        case .release: self = .acknowledge(.nack, deliveries, delay: 0)
        case .releaseLater(let milliseconds): self = .acknowledge(.nack, deliveries, delay: milliseconds)
        case .failed(let attempt, let consequence): self = .fail(deliveries, attempt, consequence)
        case .reject: self = .acknowledge(.reject, deliveries)
        }
    }
}

extension PublishTemplate {
    /// What a seat publishes, but for its body.
    init(_ publish: Publish) {
        var properties = PublishProperties()
        let headers = publish.message.headers.encoded.withUnsafeBytes { RecordHeaders.decode($0) } ?? []
        let correlation = headers.first { $0.name.elementsEqual(BrokerHeader.correlationID.rawValue.utf8) }
        properties.correlationID = correlation?.value.map { String(decoding: $0, as: UTF8.self) }
        self.init(
            routingKey: publish.routingKey, exchange: publish.exchange.isEmpty ? nil : publish.exchange,
            isMandatory: publish.isMandatory, properties: properties)
    }
}

extension Delivery {
    /// A message as another broker sends it, in the form that a broker hands it to its own seats in.
    ///
    /// - Parameter earlier: is added to its number.
    init(_ arrival: ServerLine.Arrival, earlier: UInt64) {
        var message = Message(
            key: arrival.key.map { $0[...] }, value: arrival.isNull ? nil : Array(arrival.body.readableBytesView)[...])
        for header in arrival.headers { message.headers.append(name: header.name.utf8, value: header.value) }
        var segment = RecordSegment()
        segment.append(message, at: Offset(arrival.offset), timestamp: Timestamp(arrival.timestamp ?? 0))
        self.init(
            tag: DeliveryTag(earlier + UInt64(clamping: arrival.delivery)),
            redelivered: arrival.failedDeliveries.map { Int(clamping: $0) }, entry: segment.entries[0],
            data: segment.data)
    }
}
