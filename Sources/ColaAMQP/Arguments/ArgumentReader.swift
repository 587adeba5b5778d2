/// Reads the arguments of one queue out of its table, and refuses what RabbitMQ refuses, in its words.
///
/// Source: RabbitMQ 3.10.8, `rabbit_amqqueue`, the functions `check_…_arg`, and what a server answers
struct ArgumentReader {
    /// RabbitMQ's names for the modules that its kinds of queues are made of.
    enum QueueKind: String {
        case classic = "rabbit_classic_queue"
        case quorum = "rabbit_quorum_queue"
        case stream = "rabbit_stream_queue"
    }

    let table: FieldTable
    /// The queue's name.
    let queue: String
    let host: String

    // MARK: Values

    func integer(_ name: String, atLeast least: Int64 = 0, atMost most: Int64 = .max) throws(Refusal) -> Int64? {
        guard let value = table[name] else { return nil }
        guard let integer = value.integer else {
            throw invalid(name, "\"expected integer, got \(value.typeName)\"")
        }
        if integer < min(0, least) { throw invalid(name, "{value_negative,\(integer)}") }
        if integer < least { throw invalid(name, "{value_zero,\(integer)}") }
        if integer > most { throw invalid(name, "{value_too_large,\(integer)}") }
        return integer
    }

    func text(_ name: String) throws(Refusal) -> String? {
        guard let value = table[name] else { return nil }
        guard let text = value.text else { throw unacceptable(name, value) }
        return text
    }

    func truth(_ name: String) throws(Refusal) -> Bool? {
        guard let value = table[name] else { return nil }
        guard case .bool(let truth) = value else { throw unacceptable(name, value) }
        return truth
    }

    func choice<Choice: RawRepresentable<String>>(
        _ name: String, orRefuse reason: (String) -> String
    ) throws(Refusal) -> Choice? {
        guard let text = try text(name) else { return nil }
        guard let choice = Choice(rawValue: text) else { throw invalid(name, reason(text)) }
        return choice
    }

    // MARK: Refusals

    func invalid(_ name: String, _ reason: String) -> Refusal {
        Refusal("invalid arg '\(name)' for queue '\(queue)' in vhost '\(host)': \(reason)")
    }

    func unacceptable(_ name: String, _ value: FieldValue) -> Refusal {
        invalid(name, "{unacceptable_type,\(value.typeName)}")
    }

    func unknown(_ name: String, to kind: QueueKind) -> Refusal {
        Refusal("invalid arg '\(name)' for queue '\(queue)' in vhost '\(host)' of queue type \(kind.rawValue)")
    }
}

extension FieldValue {
    /// What RabbitMQ calls its type. Source: `rabbit_binary_parser`
    var typeName: String {
        switch self {
        case .bool: "bool"
        case .int8: "byte"
        case .uint8: "unsignedbyte"
        case .int16: "short"
        case .uint16: "unsignedshort"
        case .int32: "signedint"
        case .uint32: "unsignedint"
        case .int64: "long"
        case .float: "float"
        case .double: "double"
        case .decimal: "decimal"
        case .longString: "longstr"
        case .array: "array"
        case .timestamp: "timestamp"
        case .table: "table"
        case .void: "void"
        case .bytes: "binary"
        }
    }
}
