package import ColaCore

/// A message that was published with AMQP, as a record.
///
/// The body is the value. The properties are kept as they came, in one header, so that they leave as they came; beside
/// it stands as text what readers of other protocols and exchanges look for: scalars of the headers table, message id,
/// reply-to, correlation id and timestamp.
///
/// Source: RabbitMQ 3.10.8, for what is refused and in which words
package struct Content: Sendable {
    package var message: Message
    /// Where the message goes besides its routing key: what CC and BCC say, of which only CC is delivered.
    package var moreKeys: [String] = []
    /// How long it may wait in a queue. Milliseconds.
    package var timeToLive: Int64?
    package var priority: UInt8
    /// What the header `x-delay` says, which exchanges for delayed messages obey. Milliseconds.
    package var delay: Int64?
    /// The message id, by which a queue with a deduplication window knows the message again.
    package var id: ArraySlice<UInt8>?

    /// The properties that a record without any stands for: a delivery mode of 2.
    static let persistent: [UInt8] = [0x10, 0x00, 0x02]

    /// - Parameters:
    ///   - properties: flags and list, as they stand in a content header.
    ///   - user: who is logged in: nobody else may be named as the sender. Nil: anybody may.
    /// - Throws: ``ContentError``; the channel ends, or the connection.
    package init(
        properties: UnsafeRawBufferPointer, body: ArraySlice<UInt8>, user: String?
    ) throws(ContentError) {
        message = Message(value: body)
        priority = 0
        // Nearly all that producers send without headers is this, or nothing.
        if properties.count == 3, properties[0] == 0x10, properties[1] == 0, properties[2] == 2 { return }
        let places: PropertyScanner
        do throws(Malformed) {
            places = try PropertyScanner(properties)
        } catch {
            throw .malformed(error)
        }
        do throws(Refusal) {
            try read(places, of: properties, user: user)
        } catch {
            throw .refused(error)
        }
    }

    private mutating func read(
        _ places: PropertyScanner, of properties: UnsafeRawBufferPointer, user: String?
    ) throws(Refusal) {
        if let mode = places.deliveryMode, !(1...2).contains(mode) {
            throw Refusal("invalid message: {delivery_mode_unknown,\(mode)}")
        }
        if let expiration = places.expiration { timeToLive = try Self.timeToLive(properties[expiration]) }
        if let user, let sender = places.userID, !properties[sender].elementsEqual(user.utf8) {
            let name = String(decoding: properties[sender], as: UTF8.self)
            throw Refusal("user_id property set to '\(name)' but authenticated user was '\(user)'")
        }
        priority = places.priority ?? 0
        guard let headers = places.headers else {
            keep(properties)
            return keepNames(places, of: properties)
        }
        let table = UnsafeRawBufferPointer(rebasing: properties[headers].dropFirst(4))
        if try readRouting(table) {
            let bytes = PropertySplice(properties, places).bytes(dropping: { $0.elementsEqual("BCC".utf8) })
            bytes.withUnsafeBytes { keep($0) }
        } else {
            keep(properties)
        }
        keepNames(places, of: properties)
        TableFields.each(of: table) { field in
            guard !field.name.isEmpty, !field.name.starts(with: BrokerHeader.prefix.utf8) else { return }
            keep(field)
        }
    }

    // MARK: What others read

    private mutating func keep(_ properties: UnsafeRawBufferPointer) {
        message.headers.append(name: BrokerHeader.amqp.rawValue.utf8, value: properties)
    }

    private mutating func keepNames(_ places: PropertyScanner, of properties: UnsafeRawBufferPointer) {
        if let range = places.messageID {
            message.headers.append(name: BrokerHeader.messageID.rawValue.utf8, value: properties[range])
            id = ArraySlice(properties[range])
        }
        if let range = places.replyTo {
            message.headers.append(name: BrokerHeader.replyTo.rawValue.utf8, value: properties[range])
        }
        if let range = places.correlationID {
            message.headers.append(name: BrokerHeader.correlationID.rawValue.utf8, value: properties[range])
        }
        if let timestamp = places.timestamp {
            message.headers.append(name: BrokerHeader.timestamp.rawValue.utf8, value: String(timestamp).utf8)
        }
    }

    private mutating func keep(_ field: TableFields.Field) {
        switch field.type {
        case .longString, .bytes: message.headers.append(name: field.name, value: field.content)
        case .void: message.headers.append(name: field.name, value: nil as [UInt8]?)
        case .array, .table: break
        default:
            if let text = field.value?.headerText { message.headers.append(name: field.name, value: text) }
        }
    }

    // MARK: Where it goes

    /// - Returns: whether there are keys that nobody is to see.
    private mutating func readRouting(_ table: UnsafeRawBufferPointer) throws(Refusal) -> Bool {
        var isBlind = false
        var refusal: Refusal?
        TableFields.each(of: table) { field in
            switch field.name.count {
            case 2 where field.name.elementsEqual("CC".utf8): readKeys(field, &refusal)
            case 3 where field.name.elementsEqual("BCC".utf8):
                isBlind = true
                readKeys(field, &refusal)
            case 7 where field.name.elementsEqual("x-delay".utf8): delay = field.value?.integer
            default: break
            }
        }
        if let refusal { throw refusal }
        return isBlind
    }

    private mutating func readKeys(_ field: TableFields.Field, _ refusal: inout Refusal?) {
        guard case .array(let values)? = field.value else {
            let name = String(decoding: field.name, as: UTF8.self)
            refusal = Refusal(
                "invalid message: {unacceptable_type_in_header,\"\(name)\",\(field.value?.typeName ?? "void")}")
            return
        }
        for case .longString(let bytes) in values { moreKeys.append(String(decoding: bytes, as: UTF8.self)) }
    }

    // MARK: How long

    /// The expiration, as RabbitMQ reads it: digits, perhaps with a sign.
    private static func timeToLive(_ text: Slice<UnsafeRawBufferPointer>) throws(Refusal) -> Int64 {
        func refusal(_ reason: String) -> Refusal {
            Refusal("invalid expiration '\(String(decoding: text, as: UTF8.self))': \(reason)")
        }
        let isNegative = text.first == UInt8(ascii: "-")
        let unsigned = isNegative || text.first == UInt8(ascii: "+") ? text.dropFirst() : text
        let digits = unsigned.prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else { throw refusal("no_integer") }
        let rest = unsigned[digits.endIndex...]
        guard rest.isEmpty else { throw refusal("{leftover_string,\"\(String(decoding: rest, as: UTF8.self))\"}") }
        var number: Int64 = 0
        for digit in digits where number <= QueueArguments.timeMax { number = number * 10 + Int64(digit & 0x0F) }
        guard !isNegative || number == 0 else {
            throw refusal("{value_negative,\(String(decoding: text, as: UTF8.self))}")
        }
        guard number <= QueueArguments.timeMax else {
            throw refusal("{value_too_large,\(String(decoding: digits, as: UTF8.self))}")
        }
        return number
    }
}

/// Why a message cannot be taken.
package enum ContentError: Error, Hashable, Sendable {
    /// Its properties are not what they should be: the connection ends.
    case malformed(Malformed)
    /// The channel ends.
    case refused(Refusal)
}
