internal import ColaCore

/// Properties that are not those that came: with what the broker has to say, or for a record of another protocol.
struct MadeProperties {
    let data: UnsafeRawBufferPointer
    /// Where the record's headers stand.
    let headers: Range<Int>
    let places: RecordHeaderPlaces

    func bytes(of delivery: Delivery, from source: DeliveryContent.Source, isForeign: Bool) -> [UInt8] {
        if isForeign { return foreign().withUnsafeBytes { splice($0, delivery, source) } }
        guard let amqp = places.amqp else { return Content.persistent.withUnsafeBytes { splice($0, delivery, source) } }
        return splice(UnsafeRawBufferPointer(rebasing: data[amqp]), delivery, source)
    }

    // MARK: What the broker says

    private func splice(
        _ properties: UnsafeRawBufferPointer, _ delivery: Delivery, _ source: DeliveryContent.Source
    ) -> [UInt8] {
        guard let scanned = try? PropertyScanner(properties) else { return Content.persistent }
        let deaths = places.hasDeaths ? Deaths(events, properties, scanned) : nil
        // A queue where it died said which routing key it has as a dead letter: then its others are gone.
        let losesCopies = deaths != nil && !places.hasMoreKeys
        var fields: [UInt8] = []
        var added: [String] = []
        if let deaths {
            deaths.append(to: &fields)
            added += Deaths.names
        }
        switch source {
        case .classic: break
        case .quorum:
            let failures = Int64(delivery.redelivered ?? 0)
            fields.appendField("x-delivery-count", failures)
            added.append("x-delivery-count")
            if failures > 0 {
                fields.appendField("x-acquired-count", failures)
                added.append("x-acquired-count")
            }
        case .stream:
            fields.appendField("x-stream-offset", delivery.entry.offset.rawValue)
            added.append("x-stream-offset")
        }
        guard !fields.isEmpty else { return Array(properties) }
        return PropertySplice(properties, scanned).bytes(
            dropping: { name in
                if losesCopies, name.elementsEqual("CC".utf8) { return true }
                return name.first == UInt8(ascii: "x") && added.contains { name.elementsEqual($0.utf8) }
            }, adding: fields, expires: deaths == nil)
    }

    /// The latest last.
    private var events: [DeathHistory.Event] {
        var events: [DeathHistory.Event] = []
        let bytes = UnsafeRawBufferPointer(rebasing: data[headers])
        RecordHeaderPlaces.each(of: bytes) { name, value in
            guard let value, bytes[name].elementsEqual(BrokerHeader.death.rawValue.utf8),
                let event = DeathHistory.Event(ArraySlice(bytes[value]))
            else { return }
            events.append(event)
        }
        return events
    }

    // MARK: Records of other protocols

    /// Its text headers as long strings, what the broker knows as properties, and a delivery mode of 2.
    private func foreign() -> [UInt8] {
        var fields: [UInt8] = []
        let bytes = UnsafeRawBufferPointer(rebasing: data[headers])
        RecordHeaderPlaces.each(of: bytes) { name, value in
            guard !name.isEmpty, name.count <= 255, !bytes[name].starts(with: BrokerHeader.prefix.utf8) else { return }
            if let value {
                fields.appendField(bytes[name], text: bytes[value])
            } else {
                fields.appendShort(bytes[name])
                fields.append(FieldType.void.rawValue)
            }
        }
        var flags = PropertyFlag.deliveryMode
        var list: [UInt8] = []
        if !fields.isEmpty {
            flags |= PropertyFlag.headers
            list.appendBigEndian(UInt32(fields.count))
            list += fields
        }
        list.append(2)
        if let place = places.priority, let priority = UInt8(String(decoding: data[place], as: UTF8.self)) {
            flags |= PropertyFlag.priority
            list.append(priority)
        }
        for (place, flag) in [
            (places.correlationID, PropertyFlag.correlationID), (places.replyTo, PropertyFlag.replyTo),
            (places.messageID, PropertyFlag.messageID),
        ] {
            guard let place, place.count <= 255 else { continue }
            flags |= flag
            list.appendShort(data[place])
        }
        return [UInt8(flags >> 8), UInt8(flags & 0xFF)] + list
    }
}
