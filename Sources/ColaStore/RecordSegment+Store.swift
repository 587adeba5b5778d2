internal import ColaCore

extension RecordSegment {
    /// The records of several segments whose offsets follow one another, without those that are not wanted.
    init(joining segments: [RecordSegment], where isWanted: (Entry) -> Bool = { _ in true }) {
        var data: [UInt8] = []
        var entries: [Entry] = []
        data.reserveCapacity(segments.reduce(0) { $0 + $1.data.count })
        entries.reserveCapacity(segments.reduce(0) { $0 + $1.entries.count })
        for segment in segments {
            for entry in segment.entries where isWanted(entry) {
                var copy = entry
                copy.key = Self.copy(entry.key, of: segment, to: &data)
                copy.value = Self.copy(entry.value, of: segment, to: &data)
                copy.headers = Self.copy(entry.headers, of: segment, to: &data)
                entries.append(copy)
            }
        }
        self.init(data: data, entries: entries)
    }

    private static func copy(_ part: Part, of segment: RecordSegment, to data: inout [UInt8]) -> Part {
        guard part.count > 0 else { return Part(start: 0, count: part.count) }
        let start = data.count
        precondition(start + Int(part.count) <= Int(Int32.max), "joined segments of \(start) bytes are too large")
        data.append(contentsOf: segment.data[part.range])
        return Part(start: UInt32(start), count: part.count)
    }

    /// The same records with the times at which they expire, which their headers tell.
    func readingExpiries() -> RecordSegment {
        var entries = entries
        data.withUnsafeBytes { data in
            for index in entries.indices where entries[index].headerCount > 0 {
                let headers = UnsafeRawBufferPointer(rebasing: data[entries[index].headers.range])
                if let time = Self.expiry(headers) { entries[index].expires = time }
            }
        }
        return RecordSegment(data: data, entries: entries)
    }

    private static let expiresName = Array(BrokerHeader.expires.rawValue.utf8)

    private static func expiry(_ headers: UnsafeRawBufferPointer) -> Timestamp? {
        var position = 0
        while position < headers.count {
            guard let nameLength = Varint.read(headers, at: &position), nameLength >= 0,
                nameLength <= Int64(headers.count - position)
            else { return nil }
            let name = headers[position..<position + Int(nameLength)]
            position += Int(nameLength)
            guard let valueLength = Varint.read(headers, at: &position), valueLength >= -1,
                valueLength <= Int64(headers.count - position)
            else { return nil }
            let value = headers[position..<position + max(0, Int(valueLength))]
            if name.elementsEqual(expiresName) { return decimal(value).map { Timestamp($0) } }
            position = value.endIndex
        }
        return nil
    }

    private static func decimal(_ digits: some Collection<UInt8>) -> Int64? {
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var number: Int64 = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            number = number * 10 + Int64(digit - 0x30)
        }
        return number
    }
}
