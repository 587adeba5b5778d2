internal import ColaCore

/// Reads what a worker says in the format `json`: one object a line.
///
/// Shape:  `{"done":N}`, `{"done":N,"result":"…"}`, `{"retry":N,"delay":MS,"reason":"…"}`, `{"reject":N,"reason":"…"}`
///         or `{"ready":true}`; N is a number, `"N-M"`, or an array of these; `result` may be an object or array, which
///         is then published as it was written, and `result_base64` stands for bytes. Nothing else.
/// Source: `protocol/workers.md`, "Answers"
package struct JSONAnswer {
    private enum Verb: String {
        case done, retry, reject
    }

    /// No number of a delivery is above it.
    private static let numberMost = UInt64(Int64.max)

    private let line: UnsafeRawBufferPointer
    private var cursor: JSONCursor
    private var verb: Verb?
    private var deliveries: [ClosedRange<UInt64>] = []
    private var isReady = false
    private var result: [UInt8]?
    private var delay: Int64?
    private var reason: String?

    private init(_ line: UnsafeRawBufferPointer) {
        self.line = line
        cursor = JSONCursor(line)
    }

    /// - Parameter line: without its end.
    package static func parse(_ line: UnsafeRawBufferPointer) throws(StreamDefect) -> StreamLine {
        if let delivery = plainDone(line) { return .answer(StreamAnswer(.done, delivery...delivery)) }
        var answer = JSONAnswer(line)
        do throws(JSONCursor.Malformed) {
            return try answer.read()
        } catch {
            throw StreamDefect(line: line, error.sentence)
        }
    }

    /// `{"done":N}` and nothing else, which nearly all are.
    private static func plainDone(_ line: UnsafeRawBufferPointer) -> UInt64? {
        let front: StaticString = "{\"done\":"
        guard line.count > front.utf8CodeUnitCount + 1, line.count < front.utf8CodeUnitCount + 20,
            line.last == UInt8(ascii: "}")
        else { return nil }
        for index in 0..<front.utf8CodeUnitCount where line[index] != front.utf8Start[index] { return nil }
        var number: UInt64 = 0
        for index in front.utf8CodeUnitCount..<line.count - 1 {
            let digit = line[index] &- 0x30
            guard digit <= 9 else { return nil }
            number = number &* 10 &+ UInt64(digit)  // At most 18 digits.
        }
        return number > 0 && line[front.utf8CodeUnitCount] != 0x30 ? number : nil
    }

    private mutating func read() throws(JSONCursor.Malformed) -> StreamLine {
        cursor.skipSpace()
        guard cursor.take("{") else { throw cursor.malformed("it is no JSON object") }
        var isFirst = true
        while let name = try cursor.memberName(isFirst: isFirst) {
            isFirst = false
            try readMember(String(decoding: name, as: UTF8.self))
        }
        cursor.skipSpace()
        guard cursor.isAtEnd else { throw cursor.malformed("something follows the object") }
        if isReady {
            guard verb == nil, result == nil, delay == nil, reason == nil else {
                throw .init(sentence: "'ready' stands alone")
            }
            return .ready
        }
        return .answer(try answer())
    }

    private mutating func readMember(_ name: String) throws(JSONCursor.Malformed) {
        if let verb = Verb(rawValue: name) {
            guard self.verb == nil else { throw .init(sentence: "it has two of done, retry and reject") }
            self.verb = verb
            return try readDeliveries()
        }
        switch name {
        case "ready":
            try cursor.word("true")
            isReady = true
        case "delay":
            guard let milliseconds = cursor.wholeNumber(), milliseconds <= UInt64(Quantity.millisecondsMost) else {
                throw .init(
                    sentence: "'delay' must be a whole number of milliseconds, up to \(Quantity.millisecondsMost)")
            }
            delay = Int64(milliseconds)
        case "reason": reason = String(decoding: try cursor.text(), as: UTF8.self)
        case "result": result = try readResult()
        case "result_base64":
            guard let bytes = JSONText.bytes(base64: try cursor.text()) else {
                throw .init(sentence: "'result_base64' is not base64 with its padding")
            }
            result = bytes
        default: throw .init(sentence: "it has a member '\(name)', which no answer has")
        }
    }

    private mutating func readResult() throws(JSONCursor.Malformed) -> [UInt8] {
        switch cursor.next {
        case UInt8(ascii: "\""): return try cursor.text()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let start = cursor.position
            try cursor.skipValue()
            return Array(line[start..<cursor.position])
        default: throw .init(sentence: "'result' must be a text, an object or an array")
        }
    }

    private mutating func readDeliveries() throws(JSONCursor.Malformed) {
        guard cursor.take("[") else { return deliveries.append(try delivery()) }
        repeat {
            cursor.skipSpace()
            deliveries.append(try delivery())
            cursor.skipSpace()
        } while cursor.take(",")
        guard cursor.take("]") else { throw cursor.malformed("a comma or the end of the array should stand here") }
    }

    /// A number, or `"N-M"`.
    private mutating func delivery() throws(JSONCursor.Malformed) -> ClosedRange<UInt64> {
        let wanted = "'\(verb?.rawValue ?? "")' must be the number of a delivery, a range such as \"3-9\", or an array"
        guard cursor.next == UInt8(ascii: "\"") else {
            guard let number = cursor.wholeNumber(), (1...Self.numberMost).contains(number) else {
                throw cursor.malformed(wanted)
            }
            return number...number
        }
        let ends = try cursor.text().split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map {
            $0.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(String(decoding: $0, as: UTF8.self)) : nil
        }
        guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, first > 0, first <= last,
            last <= Self.numberMost
        else { throw cursor.malformed(wanted) }
        return first...last
    }

    private func answer() throws(JSONCursor.Malformed) -> StreamAnswer {
        guard let verb, let first = deliveries.first else {
            throw .init(sentence: "it has none of done, retry, reject and ready")
        }
        let more = Array(deliveries.dropFirst())
        guard result == nil || verb == .done && more.isEmpty && first.count == 1 else {
            throw .init(sentence: "a result is that of one delivery that is done")
        }
        guard delay == nil || verb == .retry else { throw .init(sentence: "'delay' belongs to retry") }
        guard reason == nil || verb != .done else { throw .init(sentence: "'reason' belongs to retry and reject") }
        let verdict: StreamAnswer.Verdict =
            switch verb {
            case .done: result.map { .result($0) } ?? .done
            case .retry: .retry(milliseconds: delay, reason: reason)
            case .reject: .reject(reason: reason)
            }
        return StreamAnswer(verdict, first, more: more)
    }
}
