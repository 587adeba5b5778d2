/// A value in a field table: the types that RabbitMQ knows.
///
/// Source: https://www.rabbitmq.com/amqp-0-9-1-errata, section 3
package enum FieldValue: Hashable, Sendable {
    case bool(Bool)
    case int8(Int8)
    case uint8(UInt8)
    case int16(Int16)
    case uint16(UInt16)
    case int32(Int32)
    case uint32(UInt32)
    case int64(Int64)
    case float(Float)
    case double(Double)
    /// `value` divided by ten to the power of `scale`.
    case decimal(scale: UInt8, value: Int32)
    /// Text in any encoding, or any other bytes.
    case longString([UInt8])
    case array([FieldValue])
    /// Seconds since 1970.
    case timestamp(UInt64)
    case table(FieldTable)
    case void
    case bytes([UInt8])

    package static func string(_ text: String) -> FieldValue { .longString(Array(text.utf8)) }

    /// What a long string says; nil if it is another type or not UTF-8.
    package var text: String? {
        if case .longString(let bytes) = self { String(validating: bytes, as: UTF8.self) } else { nil }
    }

    /// The value of any of the integer types.
    package var integer: Int64? {
        switch self {
        case .int8(let value): Int64(value)
        case .uint8(let value): Int64(value)
        case .int16(let value): Int64(value)
        case .uint16(let value): Int64(value)
        case .int32(let value): Int64(value)
        case .uint32(let value): Int64(value)
        case .int64(let value): value
        default: nil
        }
    }

    /// The octet that stands before the value and says its type.
    var type: FieldType {
        switch self {
        case .bool: .bool
        case .int8: .int8
        case .uint8: .uint8
        case .int16: .int16
        case .uint16: .uint16
        case .int32: .int32
        case .uint32: .uint32
        case .int64: .int64
        case .float: .float
        case .double: .double
        case .decimal: .decimal
        case .longString: .longString
        case .array: .array
        case .timestamp: .timestamp
        case .table: .table
        case .void: .void
        case .bytes: .bytes
        }
    }
}
