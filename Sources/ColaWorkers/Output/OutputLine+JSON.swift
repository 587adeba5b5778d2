internal import ColaCore

// A line as one line of JSON: so it stands in the file of its worker.
//
// Shape:  {"time":…,"epoch":N,"number":N,"worker":…,"instance":N,"pid":N,"stream":"out"|"err",
//         "queue":…,"offset":N,"attempt":N,"cut":true,"line":…}; members in this order. `pid` is left out where it is
//         not known, `queue`, `offset` and `attempt` where there is no message, `cut` where the line was not longer.
//         Where lines were dropped, `"dropped":N` stands in the place of `cut` and `line`.
// Source: RFC 8259
extension OutputLine {
    /// Appends it with a line feed behind it.
    package func append(to json: inout [UInt8]) {
        json += #"{"time":""#.utf8
        json += UTCText.of(time).utf8
        json += #"","epoch":\#(epoch),"number":\#(number),"worker":"\#(source.worker)","#.utf8
        json += #""instance":\#(source.instance),"#.utf8
        if let process = source.process { json += #""pid":\#(process),"#.utf8 }
        json += #""stream":"\#(stream.rawValue)","#.utf8
        if let message = source.message {
            json += #""queue":"#.utf8
            Self.append(message.queue, to: &json)
            json += #","offset":\#(message.offset),"attempt":\#(message.attempt),"#.utf8
        }
        switch content {
        case .dropped(let count): json += #""dropped":\#(count)"#.utf8
        case .text(let text, let isCut):
            if isCut { json += #""cut":true,"#.utf8 }
            json += #""line":"#.utf8
            Self.append(text, to: &json)
        }
        json += "}\n".utf8
    }

    private static func append(_ text: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
            case 0x00...0x1F, 0x7F:
                json += #"\u00"#.utf8
                json += [hexDigit(byte >> 4), hexDigit(byte & 0x0F)]
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// Reads what ``append(to:)`` has written, and nothing else: it is no reader of JSON.
    ///
    /// - Parameter json: without a line feed.
    /// - Returns: nil if it was written by somebody else, or in part.
    package init?(json: some Collection<UInt8>) {
        var reader = Reader(rest: Array(json)[...])
        guard reader.skip(#"{"time":"#), let time = reader.text(), let when = UTCText.time(time.utf8),
            reader.skip(#","epoch":"#), let epoch = reader.number(), reader.skip(#","number":"#),
            let number = reader.number(), reader.skip(#","worker":"#),
            let worker = reader.text().flatMap(WorkerName.init),
            reader.skip(#","instance":"#), let instance = reader.number()
        else { return nil }
        var process: Int32?
        if reader.skip(#","pid":"#) {
            guard let number = reader.number().flatMap({ Int32(exactly: $0) }) else { return nil }
            process = number
        }
        guard reader.skip(#","stream":"#), let stream = reader.text().flatMap(ProgramStream.init) else { return nil }
        var message: Message?
        if reader.skip(#","queue":"#) {
            guard let queue = reader.text(), reader.skip(#","offset":"#), let offset = reader.number(),
                reader.skip(#","attempt":"#), let attempt = reader.number()
            else { return nil }
            message = Message(queue: queue, offset: Offset(offset), attempt: Int(attempt))
        }
        let content: Content
        if reader.skip(#","dropped":"#) {
            guard let count = reader.number() else { return nil }
            content = .dropped(Int(count))
        } else {
            let isCut = reader.skip(#","cut":true"#)
            guard reader.skip(#","line":"#), let text = reader.text() else { return nil }
            content = .text(text, isCut: isCut)
        }
        guard reader.skip("}"), reader.rest.isEmpty else { return nil }
        self.init(
            time: when, epoch: Epoch(epoch), number: number,
            source: Source(
                worker: worker, instance: InstanceID(UInt64(instance)), process: process, message: message),
            stream: stream, content: content)
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func skip(_ text: StaticString) -> Bool {
            let expected = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            guard rest.starts(with: expected) else { return false }
            rest = rest.dropFirst(expected.count)
            return true
        }

        /// One that is not negative.
        mutating func number() -> Int64? {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest.dropFirst(digits.count)
            return Int64(String(decoding: digits, as: UTF8.self))
        }

        mutating func text() -> String? {
            guard rest.popFirst() == UInt8(ascii: "\"") else { return nil }
            var bytes: [UInt8] = []
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\""): return String(validating: bytes, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let next = rest.popFirst() else { return nil }
                    if next == UInt8(ascii: "u") {
                        guard let code = escaped() else { return nil }
                        bytes.append(code)
                    } else {
                        bytes.append(next)
                    }
                default: bytes.append(byte)
                }
            }
            return nil
        }

        /// The four digits of one that is below 80.
        private mutating func escaped() -> UInt8? {
            let digits = rest.prefix(4)
            rest = rest.dropFirst(4)
            guard digits.count == 4 else { return nil }
            return UInt8(String(decoding: digits, as: UTF8.self), radix: 16).flatMap { $0 < 0x80 ? $0 : nil }
        }
    }
}
