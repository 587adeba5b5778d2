internal import ColaCore
internal import ColaWorkers

/// What a process is told of its message, besides the body: variables of its environment.
///
/// Shape: `COLA_QUEUE`, `COLA_OFFSET`, `COLA_ATTEMPT` (1 for the first), `COLA_TIMESTAMP` (milliseconds since 1970),
///        and, where the message has them, `COLA_KEY`, `COLA_MESSAGE_ID`, `COLA_REPLY_TO`, `COLA_CORRELATION_ID`,
///        `COLA_PRIORITY`, `COLA_EXCHANGE`, `COLA_ROUTING_KEY`, and `COLA_HEADER_NAME` for each header, its name in
///        capitals with `_` for all that is neither letter nor digit. No value with a zero byte: an environment cannot
///        hold one.
struct MessageEnvironment {
    let queue: String
    let delivery: Delivery

    private static let known: [(header: BrokerHeader, variable: String)] = [
        (.messageID, "COLA_MESSAGE_ID"), (.replyTo, "COLA_REPLY_TO"), (.correlationID, "COLA_CORRELATION_ID"),
        (.priority, "COLA_PRIORITY"), (.exchange, "COLA_EXCHANGE"), (.routingKey, "COLA_ROUTING_KEY"),
    ]

    /// `NAME=VALUE`, each name once.
    var variables: [String] {
        var seen: Set<String> = []
        var variables: [String] = []
        func add(_ name: String, _ value: some Collection<UInt8>) {
            guard !value.contains(0), seen.insert(name).inserted else { return }
            variables.append("\(name)=" + String(decoding: value, as: UTF8.self))
        }
        let entry = delivery.entry
        add("COLA_QUEUE", queue.utf8)
        add("COLA_OFFSET", "\(entry.offset)".utf8)
        add("COLA_ATTEMPT", "\((delivery.redelivered ?? 0) + 1)".utf8)
        add("COLA_TIMESTAMP", "\(entry.timestamp)".utf8)
        if !entry.key.isNull { add("COLA_KEY", delivery.data[entry.key.range]) }
        for (name, value) in headers {
            let text = String(decoding: name, as: UTF8.self)
            if let known = Self.known.first(where: { $0.header.rawValue == text }) {
                add(known.variable, value)
            } else if !text.hasPrefix(BrokerHeader.prefix) {
                add("COLA_HEADER_" + Self.variable(name), value)
            }
        }
        return variables
    }

    var correlationID: ArraySlice<UInt8>? {
        headers.first { $0.name.elementsEqual(BrokerHeader.correlationID.rawValue.utf8) }?.value
    }

    private var headers: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] {
        guard delivery.entry.headerCount > 0 else { return [] }
        let decoded = delivery.data[delivery.entry.headers.range].withUnsafeBytes { RecordHeaders.decode($0) }
        return (decoded ?? []).map { ($0.name, $0.value ?? []) }
    }

    private static func variable(_ name: ArraySlice<UInt8>) -> String {
        String(
            decoding: name.map { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - 32
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
                default: UInt8(ascii: "_")
                }
            }, as: UTF8.self)
    }
}
