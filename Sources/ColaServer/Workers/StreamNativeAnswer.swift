internal import ColaNative
package import ColaWorkers

/// Reads what a worker says in the format `native`: lines as those of the native protocol.
///
/// Shape:  `ack N`, `nack N [delay=MS] [reason=TEXT]`, `reject N [reason=TEXT]`, `ready`, and `result N SIZE` with the
///         result and a line feed behind it; N is a number or `N-M`, but that of a result.
/// Source: `protocol/workers.md`, "Answers"
package enum StreamNativeAnswer {
    /// - Parameter line: without its end.
    package static func parse(_ line: UnsafeRawBufferPointer) throws(StreamDefect) -> StreamLine {
        var scanner = LineScanner()
        guard scanner.split(line, from: 0, to: line.count) else {
            throw StreamDefect(line: line, "it must be a verb and words, with one space between them")
        }
        if scanner.field(0, is: "ack", in: line) {
            let deliveries = try deliveries(scanner, line)
            guard scanner.count == 2 else { throw StreamDefect(line: line, "ack has the number of deliveries alone") }
            return .answer(StreamAnswer(.done, deliveries))
        }
        if scanner.field(0, is: "nack", in: line) {
            let deliveries = try deliveries(scanner, line)
            let options = try options(scanner, line, mayDelay: true)
            return .answer(
                StreamAnswer(.retry(milliseconds: options.delay, reason: options.reason), deliveries))
        }
        if scanner.field(0, is: "reject", in: line) {
            let deliveries = try deliveries(scanner, line)
            return .answer(
                StreamAnswer(.reject(reason: try options(scanner, line, mayDelay: false).reason), deliveries))
        }
        if scanner.field(0, is: "result", in: line) {
            guard scanner.count == 3, let delivery = scanner.number(1, in: line), delivery > 0,
                let bytes = scanner.number(2, in: line)
            else { throw StreamDefect(line: line, "result has the number of a delivery and of bytes") }
            return .result(delivery: UInt64(delivery), bytes: Int(bytes))
        }
        if scanner.count == 1, scanner.field(0, is: "ready", in: line) { return .ready }
        throw StreamDefect(line: line, "it must begin with ack, nack, reject, result or ready")
    }

    private static func deliveries(
        _ scanner: LineScanner, _ line: UnsafeRawBufferPointer
    ) throws(StreamDefect) -> ClosedRange<UInt64> {
        guard scanner.count > 1, let numbers = scanner.numbers(1, in: line), numbers.lowerBound > 0 else {
            throw StreamDefect(line: line, "the second word must be the number of a delivery, or N-M")
        }
        return UInt64(numbers.lowerBound)...UInt64(numbers.upperBound)
    }

    private static func options(
        _ scanner: LineScanner, _ line: UnsafeRawBufferPointer, mayDelay: Bool
    ) throws(StreamDefect) -> (delay: Int64?, reason: String?) {
        var (delay, reason): (Int64?, String?)
        for index in 2..<max(2, scanner.count) {
            if mayDelay, scanner.option(index, is: "delay", in: line) {
                guard let number = scanner.optionNumber(index, in: line), number <= Quantity.millisecondsMost else {
                    throw StreamDefect(line: line, "delay must be milliseconds, up to \(Quantity.millisecondsMost)")
                }
                delay = number
            } else if scanner.option(index, is: "reason", in: line) {
                guard let text = Escape.decode(scanner.value(index, in: line), as: .optionValue) else {
                    throw StreamDefect(line: line, "reason must be a text with %XX for spaces and the like")
                }
                reason = String(decoding: text, as: UTF8.self)
            } else {
                let field = String(decoding: scanner.raw(index, in: line), as: UTF8.self)
                throw StreamDefect(line: line, "'\(field)' is no option of it")
            }
        }
        return (delay, reason)
    }
}
