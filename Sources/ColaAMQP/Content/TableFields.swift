/// The fields of a table one after the other, where they stand: nothing is allocated but for what is asked for.
enum TableFields {
    struct Field {
        let name: UnsafeRawBufferPointer
        let type: FieldType
        /// With name, type and length.
        let bytes: UnsafeRawBufferPointer
        /// The value without its length.
        let content: UnsafeRawBufferPointer

        /// Nil if it is nested too deep, which whoever has checked the table has refused.
        var value: FieldValue? {
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(1 + name.count)))
            return try? FieldValue.read(from: &reader, depth: 1)
        }
    }

    /// - Parameter table: the fields without the length before them, which a ``PropertyScanner`` has found in order;
    ///   what is malformed ends the walk.
    static func each(of table: UnsafeRawBufferPointer, _ body: (Field) -> Void) {
        var reader = ByteReader(table)
        while reader.remaining > 0 {
            let start = reader.position
            guard let field = try? next(of: &reader, in: table, from: start) else { return }
            body(field)
        }
    }

    private static func next(
        of reader: inout ByteReader, in table: UnsafeRawBufferPointer, from start: Int
    ) throws(Malformed) -> Field {
        let name = try reader.take(Int(reader.integer(UInt8.self)))
        let type = try reader.fieldType()
        let content = if let size = type.size { try reader.take(size) } else { try reader.longBytes() }
        return Field(
            name: name, type: type, bytes: UnsafeRawBufferPointer(rebasing: table[start..<reader.position]),
            content: content)
    }
}
