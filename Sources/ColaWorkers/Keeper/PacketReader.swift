/// Takes the fields of a ``Packet`` from its bytes, in their order. Whatever the bytes are, it reads none beyond them
/// and takes no memory that they do not fill.
struct PacketReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func integer<T: FixedWidthInteger>(_ name: String, as type: T.Type = T.self) throws(Packet.Malformed) -> T
    {
        let width = T.bitWidth / 8
        guard rest.count >= width else { throw cut(name) }
        var value: T = 0
        for byte in rest.prefix(width).reversed() { value = value << 8 | T(truncatingIfNeeded: byte) }
        rest = rest.dropFirst(width)
        return value
    }

    mutating func flag(_ name: String) throws(Packet.Malformed) -> Bool {
        switch try integer(name, as: UInt8.self) {
        case 0: return false
        case 1: return true
        case let byte: throw Packet.Malformed(description: "\(name) is \(byte), and must be 0 or 1")
        }
    }

    mutating func text(_ name: String) throws(Packet.Malformed) -> String {
        let count = Int(try integer(name, as: UInt32.self))
        guard rest.count >= count else { throw cut(name) }
        guard let text = String(validating: rest.prefix(count), as: UTF8.self) else {
            throw Packet.Malformed(description: "\(name) is not UTF-8")
        }
        rest = rest.dropFirst(count)
        return text
    }

    mutating func texts(_ name: String) throws(Packet.Malformed) -> [String] {
        var texts: [String] = []
        for _ in 0..<(try integer(name, as: UInt32.self)) { texts.append(try text(name)) }
        return texts
    }

    mutating func optionalInteger<T: FixedWidthInteger>(
        _ name: String, as type: T.Type = T.self
    ) throws(Packet.Malformed) -> T? {
        try flag(name) ? try integer(name) : nil
    }

    mutating func optionalText(_ name: String) throws(Packet.Malformed) -> String? {
        try flag(name) ? try text(name) : nil
    }

    mutating func optionalNumbers(_ name: String) throws(Packet.Malformed) -> [UInt32]? {
        guard try flag(name) else { return nil }
        var numbers: [UInt32] = []
        for _ in 0..<(try integer(name, as: UInt32.self)) { numbers.append(try integer(name)) }
        return numbers
    }

    mutating func instance() throws(Packet.Malformed) -> SpawnID { SpawnID(try integer("instance")) }

    /// - Throws: if bytes are left, which belong to no field.
    func end() throws(Packet.Malformed) {
        if !rest.isEmpty { throw Packet.Malformed(description: "\(rest.count) bytes behind the last field") }
    }

    private func cut(_ name: String) -> Packet.Malformed {
        Packet.Malformed(description: "it ends within \(name)")
    }
}
