package import ColaCore
internal import NIOCore

extension ArgumentTable {
    /// The arguments of a binding or an exchange: with their types, so that they leave as they came, and in the form in
    /// which a headers exchange compares them with the headers of messages of all protocols.
    ///
    /// Of a name that stands there twice, the first value counts.
    package init(_ table: FieldTable) {
        // There the last one counts.
        self.init(table.fields.reversed().map { (name: $0.name, value: Value($0.value)) })
    }
}

extension ArgumentTable.Value {
    init(_ value: FieldValue) {
        switch value {
        case .void: self = .nothing
        case .bool(let truth): self = .truth(truth)
        case .double(let number): self = .float(number)
        case .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64:
            self = value.integer.map { .integer($0) } ?? .nothing
        case .longString(let bytes):
            self = value.text.map { .text($0) } ?? .opaque(type: FieldType.longString.rawValue, bytes, text: nil)
        case .float, .decimal, .array, .timestamp, .table, .bytes:
            var buffer = ByteBuffer()
            buffer.write(value)
            let text = value.headerText.flatMap { String(validating: $0, as: UTF8.self) }
            self = .opaque(type: value.type.rawValue, Array(buffer.readableBytesView.dropFirst()), text: text)
        }
    }
}

extension FieldValue {
    /// How a value stands in a header of the record, for readers of all protocols; nil if it does not.
    var headerText: [UInt8]? {
        switch self {
        case .bool(let truth): Array((truth ? "true" : "false").utf8)
        case .float(let value): Array("\(value)".utf8)
        case .double(let value): Array("\(value)".utf8)
        case .decimal(let scale, let value): Array(Self.text(scale, value).utf8)
        // Some clients write all text as arrays of bytes.
        case .longString(let bytes), .bytes(let bytes): bytes
        case .timestamp(let seconds): Array("\(seconds)".utf8)
        case .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64: integer.map { Array("\($0)".utf8) }
        case .array, .table, .void: nil
        }
    }

    private static func text(_ scale: UInt8, _ value: Int32) -> String {
        var digits = "\(value.magnitude)"
        guard scale > 0 else { return "\(value)" }
        if digits.count <= Int(scale) { digits = String(repeating: "0", count: Int(scale) + 1 - digits.count) + digits }
        return (value < 0 ? "-" : "") + digits.dropLast(Int(scale)) + "." + digits.suffix(Int(scale))
    }
}
