internal import ColaCore
internal import NIOCore

/// Descriptions as JSON (RFC 8259), written by hand: the server's side of the protocol needs no Foundation.
struct JSONText {
    private(set) var buffer = ByteBuffer()

    init(_ description: Description) { write(description) }

    init(_ rows: [Description]) {
        buffer.writeStaticString("[")
        for (index, row) in rows.enumerated() {
            if index > 0 { buffer.writeStaticString(",") }
            write(row)
        }
        buffer.writeStaticString("]")
    }

    private mutating func write(_ description: Description) {
        buffer.writeStaticString("{")
        for (index, field) in description.fields.enumerated() {
            if index > 0 { buffer.writeStaticString(",") }
            string(field.name)
            buffer.writeStaticString(":")
            write(field.value)
        }
        buffer.writeStaticString("}")
    }

    private mutating func write(_ value: Description.Value) {
        switch value {
        case .none: buffer.writeStaticString("null")
        case .number(let number): buffer.writeString("\(number)")
        case .truth(let truth): buffer.writeString(truth ? "true" : "false")
        case .text(let text): string(text)
        case .list(let values):
            buffer.writeStaticString("[")
            for (index, value) in values.enumerated() {
                if index > 0 { buffer.writeStaticString(",") }
                write(value)
            }
            buffer.writeStaticString("]")
        case .fields(let description): write(description)
        }
    }

    private mutating func string(_ value: String) {
        buffer.writeStaticString("\"")
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": buffer.writeStaticString("\\\"")
            case "\\": buffer.writeStaticString("\\\\")
            case "\u{0}"..."\u{1f}", "\u{7f}":
                let hex = String(scalar.value, radix: 16)
                buffer.writeString("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
            default: buffer.writeString(String(scalar))
            }
        }
        buffer.writeStaticString("\"")
    }
}
