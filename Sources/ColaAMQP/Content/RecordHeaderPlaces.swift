internal import ColaCore

/// Which headers a record has that matter to AMQP, and where they stand.
struct RecordHeaderPlaces {
    var amqp: Range<Int>?
    var exchange: Range<Int>?
    var routingKey: Range<Int>?
    var messageID: Range<Int>?
    var replyTo: Range<Int>?
    var correlationID: Range<Int>?
    var priority: Range<Int>?
    var hasDeaths = false
    /// Whether it still has the routing keys beside the first that it was published with.
    var hasMoreKeys = false
    /// Whether there is any that a message of another protocol shows to readers of AMQP.
    var hasText = false

    /// - Parameters:
    ///   - headers: as they are stored; what is malformed ends the walk.
    ///   - offset: what is added to each place.
    init(_ headers: UnsafeRawBufferPointer, at offset: Int) {
        Self.each(of: headers) { name, value in
            guard headers.holds("cola-", at: name.lowerBound, in: name) else {
                hasText = true
                return
            }
            guard let value else { return }
            let place = value.lowerBound + offset..<value.upperBound + offset
            // Each message passes through here: a name is compared with those of its length, where it stands.
            func isName(_ text: StaticString) -> Bool { headers.holds(text, at: name.lowerBound, in: name) }
            switch name.count {
            case 9 where isName("cola-amqp"): amqp = place
            case 10 where isName("cola-death"): hasDeaths = true
            case 13 where isName("cola-exchange"): exchange = place
            case 13 where isName("cola-reply-to"): (replyTo, hasText) = (place, true)
            case 13 where isName("cola-priority"): (priority, hasText) = (place, true)
            case 14 where isName("cola-more-keys"): hasMoreKeys = true
            case 15 where isName("cola-message-id"): (messageID, hasText) = (place, true)
            case 16 where isName("cola-routing-key"): routingKey = place
            case 19 where isName("cola-correlation-id"): (correlationID, hasText) = (place, true)
            default: break
            }
        }
    }

    /// - Parameter body: is given where name and value stand; the value is nil where it is null.
    static func each(of headers: UnsafeRawBufferPointer, _ body: (Range<Int>, Range<Int>?) -> Void) {
        var position = 0
        while position < headers.count {
            guard let name = part(of: headers, at: &position), let name else { return }
            guard let value = part(of: headers, at: &position) else { return }
            body(name, value)
        }
    }

    /// - Returns: nil if it is cut off, and nil inside where it is null.
    private static func part(of headers: UnsafeRawBufferPointer, at position: inout Int) -> Range<Int>?? {
        guard let length = Varint.read(headers, at: &position), length >= -1,
            length <= Int64(headers.count - position)
        else { return nil }
        guard length >= 0 else { return .some(nil) }
        defer { position += Int(length) }
        return position..<position + Int(length)
    }
}

extension UnsafeRawBufferPointer {
    /// Whether `text` stands at `position`, and does not go beyond `range`.
    fileprivate func holds(_ text: StaticString, at position: Int, in range: Range<Int>) -> Bool {
        let count = text.utf8CodeUnitCount
        guard count <= range.upperBound - position else { return false }
        for index in 0..<count where self[position + index] != text.utf8Start[index] { return false }
        return true
    }
}
