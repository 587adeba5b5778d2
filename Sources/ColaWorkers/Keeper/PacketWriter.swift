/// Appends the fields of a ``Packet``.
struct PacketWriter {
    private(set) var bytes: [UInt8]

    init(_ kind: UInt8) { bytes = [kind] }

    mutating func write(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

    mutating func write(_ text: String) {
        write(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func write(_ texts: [String]) {
        write(UInt32(texts.count))
        for text in texts { write(text) }
    }

    mutating func write(_ value: (some FixedWidthInteger)?) {
        write(value != nil)
        if let value { write(value) }
    }

    mutating func write(_ text: String?) {
        write(text != nil)
        if let text { write(text) }
    }

    mutating func write(_ numbers: [UInt32]?) {
        write(numbers != nil)
        guard let numbers else { return }
        write(UInt32(numbers.count))
        for number in numbers { write(number) }
    }

    mutating func write(_ instance: SpawnID) { write(instance.rawValue) }
}
