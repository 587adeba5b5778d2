internal import ColaCore

// `consume` and what a consumer does with what it gets.
extension NativeSession {
    mutating func consume(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let name = try reader.name()
        guard let consumer = try reader.optionNumber("c", in: Self.consumers) else {
            throw RequestReader.Malformed("consume needs c=NUMBER, by which its messages are told apart")
        }
        let prefetch = try reader.optionNumber("prefetch", in: 1...65_535)
        let credit = try reader.optionNumber("credit", in: 0...2_147_483_647)
        guard prefetch == nil || credit == nil else {
            throw RequestReader.Malformed("a consumer has prefetch or credit, not both")
        }
        let isAutoAck = try reader.choice("ack", ["auto": true, "manual": false]) ?? false
        var consume = Consume(
            name: name, consumer: ConsumerTag(UInt64(consumer)),
            flow: credit.map { .credit(Int($0)) } ?? .prefetch(Int(prefetch ?? 100)), isAutoAck: isAutoAck)
        consume.priority = Int(try reader.optionNumber("priority", in: 0...2_147_483_647) ?? 0)
        consume.isExclusive = try reader.truth("exclusive") ?? false
        consume.timeout = try reader.optionNumber("timeout", in: 0...Argument.millisecondsMax)
        consume.position = try reader.option("from").map { text throws(RequestReader.Malformed) in
            try position(text, "from=")
        }
        consume.group = try reader.optionName("group")
        consume.strategy = try reader.choice("join", of: PartitionAssignor.self)
        consume.partitions = try reader.option("partitions").map(partitions)
        try reader.end()
        guard consume.strategy == nil || consume.group != nil else {
            throw RequestReader.Malformed("join= shares a topic with the other members of a group: say group=NAME too")
        }
        guard consume.strategy == nil || consume.partitions == nil else {
            throw RequestReader.Malformed("with join= the server assigns the partitions; leave partitions= out")
        }
        request(.consume(consume), reader.tag)
    }

    /// `credit`, `cancel` and `seek`, which name a consumer.
    mutating func steer(_ verb: Verb, _ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let consumer = ConsumerTag(UInt64(try reader.number("CONSUMER", in: Self.consumers)))
        switch verb {
        case .credit:
            let count = try reader.number("N", in: 0...2_147_483_647)
            try reader.end()
            request(.grant(consumer, count: Int(count)), reader.tagOrSilent)
        case .seek:
            let position = try position(try reader.text("POSITION"), "POSITION")
            let partition = try partition(&reader)
            try reader.end()
            request(.seek(consumer, partition: partition, position), reader.tag)
        default:
            try reader.end()
            request(.cancel(consumer), reader.tag)
        }
    }

    mutating func settle(_ verb: Verb, _ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let range = try reader.range("DELIVERIES")
        let settlement: Settlement
        switch verb {
        case .nack:
            switch try reader.optionNumber("delay", in: 0...Argument.millisecondsMax) {
            case nil: settlement = .retry
            case 0: settlement = .release
            case let delay?: settlement = .releaseLater(milliseconds: delay)
            }
        case .reject: settlement = .reject
        default: settlement = .acknowledge
        }
        try reader.end()
        let (first, last) = (DeliveryTag(UInt64(range.lowerBound)), DeliveryTag(UInt64(range.upperBound)))
        request(.settle(first: first, last: last, settlement), reader.tagOrSilent)
    }

    /// `get` and `peek`.
    mutating func look(_ verb: Verb, _ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let name = try reader.name()
        guard verb == .peek else {
            let isAutoAck = try reader.choice("ack", ["auto": true, "manual": false]) ?? true
            try reader.end()
            return request(.get(name: name, isAutoAck: isAutoAck), reader.tag)
        }
        let from = try reader.optionNumber("from", in: 0...Int64.max) ?? 0
        let count = try reader.optionNumber("count", in: 1...1_000) ?? 1
        let partition = try partition(&reader) ?? 0
        let priority = try priority(&reader)
        try reader.end()
        request(
            .peek(name: name, partition: partition, priority: priority, from: Offset(from), count: Int(count)),
            reader.tag)
    }

    mutating func commit(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let topic = try reader.name("TOPIC")
        let group = try reader.name("GROUP")
        let next = try reader.number("OFFSET", in: 0...Int64.max)
        let partition = try partition(&reader) ?? 0
        try reader.end()
        request(.commitOffset(topic: topic, partition: partition, group: group, next: Offset(next)), reader.tag)
    }

    // MARK: Values

    private static let consumers: ClosedRange<Int64> = 1...4_294_967_295

    func priority(_ reader: inout RequestReader) throws(RequestReader.Malformed) -> UInt8? {
        try reader.optionNumber("priority", in: 0...255).map { UInt8($0) }
    }

    private func partition(_ reader: inout RequestReader) throws(RequestReader.Malformed) -> Int? {
        try reader.optionNumber("partition", in: Self.partitions).map { Int($0) }
    }

    static let partitions: ClosedRange<Int64> = 0...999

    private func partitions(_ text: String) throws(RequestReader.Malformed) -> [Int] {
        var partitions: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Self.decimal(part), Self.partitions.contains(number),
                !partitions.contains(Int(number))
            else {
                throw RequestReader.Malformed(
                    "partitions= are numbers from 0 to 999 with commas between them, each once: partitions=0,2,5")
            }
            partitions.append(Int(number))
        }
        return partitions
    }

    private func position(_ text: String, _ what: String) throws(RequestReader.Malformed) -> Consume.Position {
        switch text {
        case "first": return .first
        case "last": return .last
        case "next": return .next
        default:
            if let number = Self.decimal(text[...]) { return .offset(Offset(number)) }
            if text.first == "@", let number = Self.decimal(text.dropFirst()) { return .time(Timestamp(number)) }
            throw RequestReader.Malformed("\(what) must be first, last, next, an offset, or @ and milliseconds")
        }
    }

    private static func decimal(_ text: Substring) -> Int64? { Array(text.utf8).withUnsafeBytes { Decimal.parse($0) } }
}
