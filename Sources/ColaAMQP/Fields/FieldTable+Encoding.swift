package import NIOCore

extension FieldTable {
    /// How many bytes the table takes on the wire, its length of four bytes among them.
    package var encodedBytes: Int {
        fields.reduce(4) { $0 + 1 + ShortString.size($1.name) + $1.value.encodedBytes }
    }
}

extension FieldValue {
    /// With the octet that says its type.
    package var encodedBytes: Int {
        if let size = type.size { return 1 + size }
        return switch self {
        case .longString(let bytes), .bytes(let bytes): 5 + bytes.count
        case .array(let values): values.reduce(5) { $0 + $1.encodedBytes }
        case .table(let table): 1 + table.encodedBytes
        default: preconditionFailure("\(type) has no size")
        }
    }
}

extension ByteBuffer {
    /// Writes a table with its length before it. A name is cut after 255 bytes, as every short string is.
    package mutating func writeFieldTable(_ table: FieldTable) {
        writeMeasured { buffer in
            for field in table.fields {
                buffer.writeShortString(field.name)
                buffer.write(field.value)
            }
        }
    }

    /// Writes the octet that says its type, and the value.
    mutating func write(_ value: FieldValue) {
        writeInteger(value.type.rawValue)
        switch value {
        case .bool(let value): writeInteger(value ? 1 : 0, as: UInt8.self)
        case .int8(let value): writeInteger(value)
        case .uint8(let value): writeInteger(value)
        case .int16(let value): writeInteger(value)
        case .uint16(let value): writeInteger(value)
        case .int32(let value): writeInteger(value)
        case .uint32(let value): writeInteger(value)
        case .int64(let value): writeInteger(value)
        case .float(let value): writeInteger(value.bitPattern)
        case .double(let value): writeInteger(value.bitPattern)
        case .decimal(let scale, let value):
            writeInteger(scale)
            writeInteger(value)
        case .longString(let bytes), .bytes(let bytes): writeLongString(bytes)
        case .array(let values):
            writeMeasured { buffer in
                for value in values { buffer.write(value) }
            }
        case .timestamp(let seconds): writeInteger(seconds)
        case .table(let table): writeFieldTable(table)
        case .void: break
        }
    }

    /// Writes what `body` writes, with its length in four bytes before it.
    private mutating func writeMeasured(_ body: (inout ByteBuffer) -> Void) {
        let start = writerIndex
        writeInteger(0 as UInt32)
        body(&self)
        setInteger(UInt32(writerIndex - start - 4), at: start)
    }
}
