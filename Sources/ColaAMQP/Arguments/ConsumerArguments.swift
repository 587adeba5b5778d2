package import ColaCore

/// What the arguments of a `basic.consume` come to.
package struct ConsumerArguments: Equatable, Sendable {
    /// Where reading a stream begins.
    package enum Start: Equatable, Sendable {
        case at(Consume.Position)
        /// The first record that is at most so old. Milliseconds.
        case age(Int64)

        package func position(at now: Timestamp) -> Consume.Position {
            switch self {
            case .at(let position): position
            case .age(let age): .time(Timestamp(now.rawValue.subtractingReportingOverflow(age).partialValue))
            }
        }
    }

    /// Below 0, too.
    package var priority = 0
    package var start: Start?
    /// Which messages of a stream it is sent; nil: all.
    package var filter: StreamFilter?
    /// How long it may hold a message, whatever its queue says. Milliseconds.
    package var timeout: Int64?

    /// - Throws: ``Refusal``, all of them for the channel.
    package init(_ table: FieldTable, queue: String, host: String, isStream: Bool) throws(Refusal) {
        guard !table.isEmpty else { return }
        let reader = ArgumentReader(table: table, queue: queue, host: host)
        for name in isStream ? ["x-priority"] : ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"] {
            guard table[name] == nil else { throw reader.unknown(name, to: isStream ? .stream : .classic) }
        }
        priority = try reader.integer("x-priority", atLeast: .min).map { Int(clamping: $0) } ?? 0
        timeout = try reader.integer("x-consumer-timeout", atMost: Argument.millisecondsMax)
        start = try table["x-stream-offset"].map { value throws(Refusal) in try Self.start(value, reader) }
        _ = try reader.truth("x-cancel-on-ha-failover")
        // Without a filter it means nothing.
        let matchesUnfiltered = try reader.truth("x-stream-match-unfiltered") ?? false
        filter = try table["x-stream-filter"].map { value throws(Refusal) in
            StreamFilter(values: try Self.values(value, reader), matchesUnfiltered: matchesUnfiltered)
        }
    }

    /// One text or a list of them.
    private static func values(_ value: FieldValue, _ reader: ArgumentReader) throws(Refusal) -> [[UInt8]] {
        if case .longString(let bytes) = value { return [bytes] }
        guard case .array(let elements) = value else { throw reader.unacceptable("x-stream-filter", value) }
        var values: [[UInt8]] = []
        for element in elements {
            guard case .longString(let bytes) = element else { throw reader.unacceptable("x-stream-filter", element) }
            values.append(bytes)
        }
        return values
    }

    private static func start(_ value: FieldValue, _ reader: ArgumentReader) throws(Refusal) -> Start {
        if let offset = value.integer { return .at(.offset(Offset(max(0, offset)))) }
        switch value {
        case .timestamp(let seconds):
            return .at(.time(Timestamp(Int64(min(seconds, UInt64(Int64.max / 1_000)) * 1_000))))
        case .longString(let bytes):
            switch value.text {
            case "first": return .at(.first)
            case "last": return .at(.last)
            case "next": return .at(.next)
            case let text?: if let age = Argument.age(text) { return .age(age) }
            case nil: break
            }
            let shown = String(decoding: bytes, as: UTF8.self)
            throw reader.invalid("x-stream-offset", "{invalid_stream_offset_arg,{longstr,<<\"\(shown)\">>}}")
        default: throw reader.invalid("x-stream-offset", "{invalid_stream_offset_arg,\(value.typeName)}")
        }
    }
}
