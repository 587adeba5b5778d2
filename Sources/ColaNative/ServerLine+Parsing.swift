/// A line of a server, and how many bytes of body follow it; nil if none does.
struct ParsedLine {
    var line: ServerLine
    var bodySize: Int64?
}

extension ServerLine {
    /// Reads the line that is the first `end` bytes. Sentences, which hold spaces, are taken as they stand.
    static func parse(
        _ bytes: UnsafeRawBufferPointer, to end: Int, with scanner: inout LineScanner
    ) throws(ClientDecoder.Malformed) -> ParsedLine {
        let verbEnd = bytes[..<end].firstIndex(of: 0x20) ?? end
        switch String(decoding: bytes[..<verbEnd], as: UTF8.self) {
        case "err": return ParsedLine(line: try refusal(bytes, from: verbEnd, to: end))
        case "bye":
            var rest = Words(bytes: bytes, position: verbEnd, end: end)
            guard let code = rest.next() else { throw malformed(bytes, to: end) }
            return ParsedLine(line: .bye(code: code, sentence: rest.sentence()))
        case "blocked":
            var rest = Words(bytes: bytes, position: verbEnd, end: end)
            return ParsedLine(line: .blocked(sentence: rest.sentence()))
        default: break
        }
        guard scanner.split(bytes, from: 0, to: end) else { throw malformed(bytes, to: end) }
        if scanner.field(0, is: "msg", in: bytes) { return try arrival(bytes, to: end, scanner) }
        if scanner.field(0, is: "ok", in: bytes) { return try answer(bytes, to: end, scanner) }
        if scanner.field(0, is: "assigned", in: bytes) { return try assigned(bytes, to: end, scanner) }
        if scanner.count == 1, scanner.field(0, is: "beat", in: bytes) { return ParsedLine(line: .beat) }
        if scanner.count == 1, scanner.field(0, is: "unblocked", in: bytes) { return ParsedLine(line: .unblocked) }
        throw malformed(bytes, to: end)
    }

    private static func arrival(
        _ bytes: UnsafeRawBufferPointer, to end: Int, _ scanner: LineScanner
    ) throws(ClientDecoder.Malformed) -> ParsedLine {
        guard scanner.count >= 5, let consumer = scanner.number(1, in: bytes),
            let delivery = scanner.number(2, in: bytes), let offset = scanner.number(3, in: bytes),
            let size = scanner.number(4, in: bytes)
        else { throw malformed(bytes, to: end) }
        var arrival = Arrival(consumer: consumer, delivery: delivery, offset: offset)
        for index in 5..<scanner.count {
            guard let option = option(index, bytes, scanner) else { throw malformed(bytes, to: end) }
            arrival.take(option, isHeader: scanner.isHeader(index, in: bytes))
        }
        return ParsedLine(line: .message(arrival), bodySize: size)
    }

    private static func answer(
        _ bytes: UnsafeRawBufferPointer, to end: Int, _ scanner: LineScanner
    ) throws(ClientDecoder.Malformed) -> ParsedLine {
        var answer = Answer()
        var size: Int64?
        for index in 1..<scanner.count {
            if scanner.option(index, is: "t", in: bytes) {
                guard let tags = Decimal.parseRange(scanner.value(index, in: bytes)) else {
                    throw malformed(bytes, to: end)
                }
                answer.tags = tags
            } else if scanner.option(index, is: "size", in: bytes) {
                guard let number = scanner.optionNumber(index, in: bytes) else { throw malformed(bytes, to: end) }
                size = number
            } else {
                guard var option = option(index, bytes, scanner) else { throw malformed(bytes, to: end) }
                if scanner.isHeader(index, in: bytes) { option.name = "h." + option.name }
                answer.options.append(option)
            }
        }
        return ParsedLine(line: .ok(answer), bodySize: size)
    }

    /// `assigned c=N generation=N partitions=P:OFFSET,P:OFFSET…`
    private static func assigned(
        _ bytes: UnsafeRawBufferPointer, to end: Int, _ scanner: LineScanner
    ) throws(ClientDecoder.Malformed) -> ParsedLine {
        var (consumer, generation): (Int64?, Int64?)
        var positions: [Assigned.Position]?
        for index in 1..<scanner.count {
            guard let option = option(index, bytes, scanner) else { throw malformed(bytes, to: end) }
            switch option.name {
            case "c": consumer = scanner.optionNumber(index, in: bytes)
            case "generation": generation = scanner.optionNumber(index, in: bytes)
            case "partitions": positions = Self.positions(option.value)
            default: break
            }
        }
        guard let consumer, let generation, let positions else { throw malformed(bytes, to: end) }
        return ParsedLine(
            line: .assigned(Assigned(consumer: consumer, generation: generation, partitions: positions)))
    }

    private static func positions(_ text: [UInt8]) -> [Assigned.Position]? {
        var positions: [Assigned.Position] = []
        if text.isEmpty { return positions }
        for part in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let numbers = part.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
                .map { $0.withUnsafeBytes(Decimal.parse) }
            guard numbers.count == 2, let partition = numbers[0], let next = numbers[1] else { return nil }
            positions.append(Assigned.Position(partition: partition, next: next))
        }
        return positions
    }

    private static func option(_ index: Int, _ bytes: UnsafeRawBufferPointer, _ scanner: LineScanner) -> Option? {
        guard scanner.isOption(index, in: bytes),
            let name = Escape.decode(scanner.name(index, in: bytes), as: .headerName),
            let value = Escape.decode(scanner.value(index, in: bytes), as: .optionValue)
        else { return nil }
        return Option(name: String(decoding: name, as: UTF8.self), value: value)
    }

    /// `err [t=N] [c=N] CODE retry|final SENTENCE`
    private static func refusal(
        _ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int
    ) throws(ClientDecoder.Malformed) -> ServerLine {
        var rest = Words(bytes: bytes, position: start, end: end)
        var word = rest.next()
        var numbers: [Int64?] = []
        for name in ["t=", "c="] {
            guard let option = word, option.hasPrefix(name) else {
                numbers.append(nil)
                continue
            }
            guard let number = Array(option.utf8.dropFirst(2)).withUnsafeBytes(Decimal.parse) else {
                throw malformed(bytes, to: end)
            }
            numbers.append(number)
            word = rest.next()
        }
        guard let code = word, !code.isEmpty, let again = rest.next(), again == "retry" || again == "final" else {
            throw malformed(bytes, to: end)
        }
        return .error(
            Refusal(
                tag: numbers[0], consumer: numbers[1], code: code, isRetryable: again == "retry",
                sentence: rest.sentence()))
    }

    private static func malformed(_ bytes: UnsafeRawBufferPointer, to end: Int) -> ClientDecoder.Malformed {
        let start = String(decoding: bytes[..<min(end, 80)], as: UTF8.self)
        return ClientDecoder.Malformed(reason: "not a line of a server: \(start.debugDescription)")
    }
}

extension ServerLine.Arrival {
    /// Takes over what an option says; what this version does not know is passed over.
    package mutating func take(_ option: ServerLine.Option, isHeader: Bool) {
        if isHeader {
            headers.append(option)
            return
        }
        switch option.name {
        case "p": partition = option.value.withUnsafeBytes(Decimal.parse) ?? 0
        case "null": isNull = option.value == Array("yes".utf8)
        case "r": failedDeliveries = option.value.withUnsafeBytes(Decimal.parse)
        case "ts": timestamp = option.value.withUnsafeBytes(Decimal.parse)
        case "key": key = option.value
        default: break
        }
    }
}

/// The rest of a line that ends in a sentence: words while they are asked for, then all that is left.
private struct Words {
    let bytes: UnsafeRawBufferPointer
    var position: Int
    let end: Int

    mutating func next() -> String? {
        guard position < end, bytes[position] == 0x20 else { return nil }
        let start = position + 1
        position = bytes[start..<end].firstIndex(of: 0x20) ?? end
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    mutating func sentence() -> String {
        guard position < end else { return "" }
        defer { position = end }
        return String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
    }
}
