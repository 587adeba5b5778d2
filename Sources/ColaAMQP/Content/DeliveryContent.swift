package import ColaCore

/// A record as a message of AMQP: where it was published to, and its properties.
///
/// What came with AMQP leaves as it came, where it stands in the record: nothing is allocated and only the names of its
/// headers are looked at. What the broker has to say of it (why it died, how often it failed, its offset in a stream)
/// is put into its headers table; a record of another protocol gets properties of its own.
package struct DeliveryContent: Sendable {
    package enum Source: Sendable {
        case classic
        case quorum
        case stream
    }

    /// Where they stand in the delivery's `data`; nil: the default exchange, and the name of the queue.
    package private(set) var exchange: Range<Int>?
    package private(set) var routingKey: Range<Int>?

    private var properties = Properties.persistent

    private enum Properties {
        case persistent
        /// In the delivery's `data`.
        case place(Range<Int>)
        case made([UInt8])
    }

    package init(_ delivery: Delivery, from source: Source) {
        let entry = delivery.entry
        guard entry.headerCount > 0 || source != .classic else { return }
        let offset = Int(entry.headers.start)
        let places = delivery.data.withUnsafeBytes {
            RecordHeaderPlaces(UnsafeRawBufferPointer(rebasing: $0[entry.headers.range]), at: offset)
        }
        exchange = places.exchange
        routingKey = places.routingKey
        if let amqp = places.amqp { properties = .place(amqp) }
        let isForeign = places.amqp == nil && places.hasText
        guard isForeign || places.hasDeaths || source != .classic else { return }
        properties = .made(
            delivery.data.withUnsafeBytes {
                let made = MadeProperties(data: $0, headers: entry.headers.range, places: places)
                return made.bytes(of: delivery, from: source, isForeign: isForeign)
            })
    }

    /// Hands `body` flags and list, as they stand in a content header.
    ///
    /// - Parameter data: the delivery's.
    package func withProperties<Result>(
        in data: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        switch properties {
        case .persistent: try Content.persistent.withUnsafeBytes(body)
        case .place(let range): try data.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
        case .made(let bytes): try bytes.withUnsafeBytes(body)
        }
    }
}
