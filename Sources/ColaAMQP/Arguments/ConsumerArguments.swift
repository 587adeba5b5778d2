package import ColaCore

/// What the arguments of a `basic.consume` come to.
///
/// A filter of a stream is taken and has no effect: RabbitMQ, too, hands out messages that it does not let through, and
/// a client looks at each again.
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
        _ = try reader.truth("x-stream-match-unfiltered")
        switch table["x-stream-filter"] {
        case nil, .longString, .array: break
        case let value?: throw reader.unacceptable("x-stream-filter", value)
        }
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
