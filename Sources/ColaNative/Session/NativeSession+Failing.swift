internal import ColaCore

// `fail`: whoever runs processes for messages tells what became of one.
extension NativeSession {
    mutating func fail(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let range = try reader.range("DELIVERIES")
        guard let end = try reader.choice("end", of: Attempt.End.self), end.isOfWorkers else {
            let ends = Attempt.End.allCases.filter(\.isOfWorkers).map(\.rawValue).joined(separator: ", ")
            throw RequestReader.Malformed("fail says how the attempt ended, with end= and one of \(ends)")
        }
        let consequence = try consequence(&reader)
        var attempt = Attempt(
            began: Timestamp(try reader.optionNumber("began", in: 0...Int64.max) ?? 0),
            ended: Timestamp(try reader.optionNumber("ended", in: 0...Int64.max) ?? 0), end: end,
            worker: try reader.optionName("worker") ?? "")
        attempt.process = Int32(try reader.optionNumber("pid", in: 0...Int64(Int32.max)) ?? 0)
        attempt.detail = try reader.option("detail") ?? ""
        attempt.output = (try reader.option("output") ?? "").split(separator: "\n").map(String.init)
        try reader.end()
        guard attempt.detail.utf8.count + attempt.output.reduce(0, { $0 + $1.utf8.count + 1 }) <= Self.storyBytesMax
        else {
            throw RequestReader.Malformed("detail= and output= may have \(Self.storyBytesMax) bytes together")
        }
        let (first, last) = (DeliveryTag(UInt64(range.lowerBound)), DeliveryTag(UInt64(range.upperBound)))
        request(.settle(first: first, last: last, .failed(attempt, consequence)), reader.tagOrSilent)
    }

    private func consequence(_ reader: inout RequestReader) throws(RequestReader.Malformed) -> Consequence {
        let delay = try reader.optionNumber("delay", in: 0...Argument.millisecondsMax)
        let attempts = try reader.optionNumber("attempts", in: 1...Int64(Int32.max)).map { Int($0) }
        let isDefault = try reader.truth("default") ?? false
        let word = try reader.option("then")
        guard delay == nil || word == "retry" else {
            throw RequestReader.Malformed("delay= goes with then=retry")
        }
        guard attempts == nil && !isDefault || word == "retry" || word == "suspect" else {
            throw RequestReader.Malformed("attempts= and default= go with then=retry and then=suspect")
        }
        switch word {
        case "retry": return .retry(milliseconds: delay ?? 0, attemptsMax: attempts ?? .max, isDefault: isDefault)
        case "suspect": return .suspect(attemptsMax: attempts ?? .max, isDefault: isDefault)
        case "give-back": return .giveBack
        case "bury": return .bury
        default:
            throw RequestReader.Malformed(
                "fail says what becomes of the message, with then= and one of retry, suspect, give-back and bury")
        }
    }

    /// What is remembered of an attempt in words. Bytes.
    private static let storyBytesMax = 8_192
}
