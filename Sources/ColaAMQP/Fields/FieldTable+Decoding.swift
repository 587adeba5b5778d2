extension FieldTable {
    /// How deep tables and arrays may stand in one another, the outermost table counted.
    package static let depthMax = 16

    /// Reads a table as it stands on the wire, with its length before it and nothing behind it.
    ///
    /// What it makes of `bytes` takes at most 20 times their size in memory. A name that is not UTF-8 is repaired.
    ///
    /// - Throws: ``Malformed``; also if tables and arrays are nested more than ``depthMax`` deep.
    package static func decode(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> FieldTable {
        var reader = ByteReader(bytes)
        let table = try reader.table()
        guard reader.remaining == 0 else { throw Malformed("\(reader.remaining) bytes stand behind a table") }
        return table
    }

    /// Reads the fields that fill `bytes`.
    static func read(_ bytes: UnsafeRawBufferPointer, depth: Int) throws(Malformed) -> FieldTable {
        guard depth <= depthMax else { throw .tooDeep }
        var fields: [Field] = []
        fields.reserveCapacity(try count(bytes, named: true))
        var reader = ByteReader(bytes)
        while reader.remaining > 0 {
            let name = String(decoding: try reader.take(Int(reader.integer(UInt8.self))), as: UTF8.self)
            fields.append(Field(name: name, value: try FieldValue.read(from: &reader, depth: depth)))
        }
        return FieldTable(fields)
    }

    /// Goes through a table as ``decode(_:)`` does, and makes nothing of it.
    static func validate(_ bytes: UnsafeRawBufferPointer, named: Bool = true, depth: Int = 1) throws(Malformed) {
        guard depth <= depthMax else { throw .tooDeep }
        var reader = ByteReader(bytes)
        while reader.remaining > 0 {
            if named { _ = try reader.take(Int(reader.integer(UInt8.self))) }
            switch try reader.fieldType() {
            case .table: try validate(reader.longBytes(), depth: depth + 1)
            case .array: try validate(reader.longBytes(), named: false, depth: depth + 1)
            case let type: try reader.pass(type)
            }
        }
    }

    /// How many values fill `bytes`, each behind a name or none; found out first, so that an array of them is made
    /// once, at its size. What stands in tables and arrays among them is passed over.
    static func count(_ bytes: UnsafeRawBufferPointer, named: Bool) throws(Malformed) -> Int {
        var reader = ByteReader(bytes)
        var count = 0
        while reader.remaining > 0 {
            if named { _ = try reader.take(Int(reader.integer(UInt8.self))) }
            try reader.pass(reader.fieldType())
            count += 1
        }
        return count
    }
}

extension FieldValue {
    static func read(from reader: inout ByteReader, depth: Int) throws(Malformed) -> FieldValue {
        switch try reader.fieldType() {
        case .bool: .bool(try reader.integer(UInt8.self) != 0)
        case .int8: .int8(try reader.integer(Int8.self))
        case .uint8: .uint8(try reader.integer(UInt8.self))
        case .int16: .int16(try reader.integer(Int16.self))
        case .uint16: .uint16(try reader.integer(UInt16.self))
        case .int32: .int32(try reader.integer(Int32.self))
        case .uint32: .uint32(try reader.integer(UInt32.self))
        case .int64: .int64(try reader.integer(Int64.self))
        case .float: .float(Float(bitPattern: try reader.integer(UInt32.self)))
        case .double: .double(Double(bitPattern: try reader.integer(UInt64.self)))
        case .decimal: .decimal(scale: try reader.integer(UInt8.self), value: try reader.integer(Int32.self))
        case .longString: .longString(try reader.longString())
        case .array: .array(try readArray(reader.longBytes(), depth: depth + 1))
        case .timestamp: .timestamp(try reader.integer(UInt64.self))
        case .table: .table(try FieldTable.read(reader.longBytes(), depth: depth + 1))
        case .void: .void
        case .bytes: .bytes(try reader.longString())
        }
    }

    private static func readArray(_ bytes: UnsafeRawBufferPointer, depth: Int) throws(Malformed) -> [FieldValue] {
        guard depth <= FieldTable.depthMax else { throw .tooDeep }
        var values: [FieldValue] = []
        values.reserveCapacity(try FieldTable.count(bytes, named: false))
        var reader = ByteReader(bytes)
        while reader.remaining > 0 { values.append(try read(from: &reader, depth: depth)) }
        return values
    }
}

extension ByteReader {
    mutating func fieldType() throws(Malformed) -> FieldType {
        let octet = try integer(UInt8.self)
        // RabbitMQ takes `L` for `l`, and py-amqp writes it.
        if octet == 0x4C { return .int64 }
        guard let type = FieldType(rawValue: octet) else {
            throw Malformed("a field value of type \(octet), which there is not")
        }
        return type
    }

    /// Passes over a value.
    mutating func pass(_ type: FieldType) throws(Malformed) {
        if let size = type.size { _ = try take(size) } else { _ = try longBytes() }
    }
}

extension Malformed {
    static let tooDeep = Malformed("tables and arrays nested more than \(FieldTable.depthMax) deep")
}
