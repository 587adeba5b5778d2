/// What a message has died of so far: one event for each pair of queue and reason, the latest last.
///
/// Shape:  in the record one header `cola-death` for each: `REASON COUNT TIME QUEUE EXCHANGE ROUTING-KEY`, a
///         ``WordList``; TIME of the first, in milliseconds since 1970; exchange and routing key as the message was
///         published with
/// Source: RabbitMQ, "Dead Letter Exchanges", the header `x-death`
package struct DeathHistory: Equatable, Sendable {
    package struct Event: Equatable, Sendable {
        package var reason: String
        package var count: Int
        package var time: Timestamp
        package var queue: String
        package var exchange: String
        package var routingKey: String
    }

    private(set) var events: [Event] = []

    /// More different deaths than this are not remembered: the first ones go.
    static let eventsMax = 32

    init(_ headers: RecordHeaders) {
        for header in headers.list where BrokerHeader(header.name) == .death {
            guard let value = header.value, let event = Event(value) else { continue }
            events.append(event)
        }
    }

    mutating func add(_ reason: DeathReason, in queue: String, from headers: RecordHeaders, at time: Timestamp) {
        var event = Event(
            reason: reason.rawValue, count: 1, time: time, queue: queue, exchange: headers.text(.exchange) ?? "",
            routingKey: headers.text(.routingKey) ?? queue)
        if let index = events.firstIndex(where: { $0.queue == queue && $0.reason == reason.rawValue }) {
            event = events.remove(at: index)
            event.count = event.count == .max ? .max : event.count + 1
        }
        events.append(event)
        if events.count > Self.eventsMax { events.removeFirst() }
    }

    /// Whether the message comes to the queue again though nobody has rejected it since it was there: that would go on
    /// for ever. Source: RabbitMQ, "Dead Letter Exchanges", section "Dead-lettering cycles"
    func isCycle(through queue: String) -> Bool {
        let automatic = [DeathReason.expired.rawValue, DeathReason.maxLength.rawValue]
        guard let last = events.lastIndex(where: { $0.queue == queue }) else { return false }
        return events[last...].allSatisfy { automatic.contains($0.reason) }
    }

    /// Where the message died last.
    var lastQueue: String? { events.last?.queue }

    /// Headers with what AMQP says of the first death and the last, by which an exchange for dead letters may route.
    func routingHeaders(_ headers: RecordHeaders) -> RecordHeaders {
        guard let first = events.min(by: { $0.time < $1.time }), let last = events.last else { return headers }
        var result = headers
        for (name, event) in [("first", first), ("last", last)] {
            for (part, value) in [("reason", event.reason), ("queue", event.queue), ("exchange", event.exchange)] {
                result.append(name: "x-\(name)-death-\(part)".utf8, value: value.utf8)
            }
        }
        return result
    }

    /// The headers of the dead letter: those of the message, its history, and where it goes.
    func headers(
        of headers: RecordHeaders, origin: Origin?, exchange: String?, routingKey: String?
    ) -> RecordHeaders {
        var result = RecordHeaders()
        for header in headers.list {
            switch BrokerHeader(header.name) {
            case .death, .expires, .deliveries, .exchange, .routingKey: continue
            default: result.append(name: header.name, value: header.value)
            }
        }
        if let exchange, let routingKey, !exchange.isEmpty || headers.text(.moreKeys) != nil {
            if !exchange.isEmpty { result.set(.exchange, exchange) }
            result.set(.routingKey, routingKey)
        }
        if let origin {
            result.setOrigin(origin)
            if origin.failures > 0 { result.set(.deliveries, "\(origin.failures)") }
        }
        for event in events { result.set(.death, event.text) }
        return result
    }
}

extension DeathHistory.Event {
    var text: String {
        let words = [reason, "\(count)", "\(time)", queue, exchange, routingKey]
        return WordList.join(words)
    }

    /// Nil if it is not what stands in such a header.
    package init?(_ value: ArraySlice<UInt8>) {
        let words = WordList.split(value)
        guard words.count == 6, let count = Int(words[1]), let time = Int64(words[2]) else { return nil }
        self.init(
            reason: words[0], count: count, time: Timestamp(time), queue: words[3], exchange: words[4],
            routingKey: words[5])
    }
}

extension BrokerHeader {
    /// Nil if it is not one of the broker's own.
    package init?(_ name: ArraySlice<UInt8>) {
        guard name.starts(with: Self.prefix.utf8) else { return nil }
        self.init(rawValue: String(decoding: name, as: UTF8.self))
    }
}

extension RecordHeaders {
    var list: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>?)] {
        count == 0 ? [] : encoded.withUnsafeBytes { Self.decode($0) } ?? []
    }

    /// The first of that name.
    func text(_ header: BrokerHeader) -> String? {
        guard count > 0 else { return nil }
        for found in list where found.name.elementsEqual(header.rawValue.utf8) {
            return found.value.map { String(decoding: $0, as: UTF8.self) }
        }
        return nil
    }

    /// All of that name.
    func texts(_ header: BrokerHeader) -> [String] {
        list.lazy.filter { $0.name.elementsEqual(header.rawValue.utf8) }.map {
            String(decoding: $0.value ?? [], as: UTF8.self)
        }
    }

    /// Takes all of that name out.
    ///
    /// - Returns: what they held.
    mutating func take(_ header: BrokerHeader) -> [String] {
        let taken = texts(header)
        guard !taken.isEmpty else { return [] }
        let all = list
        self = RecordHeaders()
        for (name, value) in all where !name.elementsEqual(header.rawValue.utf8) { append(name: name, value: value) }
        return taken
    }

    /// The first place is the one that stays.
    mutating func setOrigin(_ origin: Origin) {
        if text(.origin) == nil { set(.origin, origin.text) }
    }
}
