internal import ColaCore

/// What a message has died of, as headers: one table for each queue and reason, the latest first.
///
/// Of a message that had an expiration when it died first, that event remembers it; it does not expire again.
///
/// Source: RabbitMQ 3.10.8, `rabbit_dead_letter`, and 4.0 for `x-last-death-…`
struct Deaths {
    static let names = [
        "x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason", "x-last-death-exchange",
        "x-last-death-queue", "x-last-death-reason",
    ]

    /// The latest last.
    private let events: [DeathHistory.Event]
    private let first: Int?
    private var expiration: [UInt8]?
    /// Routing keys besides that of the publish.
    private var copies: [[UInt8]] = []

    init(_ events: [DeathHistory.Event], _ properties: UnsafeRawBufferPointer, _ places: PropertyScanner) {
        self.events = events
        // Events move to the end when they happen again, and keep the time of their first.
        first = events.indices.min { events[$0].time < events[$1].time }
        expiration = places.expiration.map { Array(properties[$0]) }
        guard let table = places.headers else { return }
        let fields = UnsafeRawBufferPointer(rebasing: properties[table].dropFirst(4))
        var found: [[UInt8]] = []
        TableFields.each(of: fields) { field in
            guard field.name.elementsEqual("CC".utf8), case .array(let values)? = field.value else { return }
            for case .longString(let key) in values { found.append(key) }
        }
        copies = found
    }

    func append(to fields: inout [UInt8]) {
        guard let first, let last = events.last else { return }
        fields.appendShort("x-death".utf8)
        fields.appendNested(.array) { bytes in
            for index in events.indices.reversed() {
                bytes.appendNested(.table) { append(at: index, to: &$0) }
            }
        }
        for (name, event) in [("first", events[first]), ("last", last)] {
            fields.appendField("x-\(name)-death-exchange".utf8, text: event.exchange.utf8)
            fields.appendField("x-\(name)-death-queue".utf8, text: event.queue.utf8)
            fields.appendField("x-\(name)-death-reason".utf8, text: event.reason.utf8)
        }
    }

    private func append(at index: Int, to bytes: inout [UInt8]) {
        let event = events[index]
        bytes.appendField("count", Int64(event.count))
        bytes.appendField("reason".utf8, text: event.reason.utf8)
        bytes.appendField("queue".utf8, text: event.queue.utf8)
        bytes.appendShort("time".utf8)
        bytes.append(FieldType.timestamp.rawValue)
        bytes.appendBigEndian(UInt64(max(0, event.time.rawValue) / 1_000))
        bytes.appendField("exchange".utf8, text: event.exchange.utf8)
        bytes.appendShort("routing-keys".utf8)
        bytes.appendNested(.array) { keys in
            keys.appendString(event.routingKey.utf8)
            if hasCopies(index) { for copy in copies { keys.appendString(copy) } }
        }
        if index == first, let expiration { bytes.appendField("original-expiration".utf8, text: expiration) }
    }

    /// Whether the message still had its other routing keys then: it loses them with the first one.
    private func hasCopies(_ index: Int) -> Bool {
        guard let first, !copies.isEmpty else { return false }
        return events.indices.allSatisfy {
            (events[$0].time, $0) > (events[index].time, index) || events[$0].routingKey == events[first].routingKey
        }
    }
}
