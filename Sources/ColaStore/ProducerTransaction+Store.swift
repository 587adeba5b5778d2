internal import ColaCore

// As the column `contents` has it: all of the row once more, for the columns are there to be looked at.
//
// Shape: `name | producer int64 | epoch int16 | previous int64 | last epoch int16 | timeout int64 | state |
// started int64, Int64.min: never | updated int64 | n × (topic, partition int32) | n × group |
// n × (group, topic, partition int32, next int64, leader epoch int32, metadata)`, little-endian; a text and an n are
// a length as int32, and what follows.
extension ProducerTransaction {
    var stored: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendText(transactionalID)
        bytes.appendLittleEndian(producer.id)
        bytes.appendLittleEndian(producer.epoch)
        bytes.appendLittleEndian(previousProducerID)
        bytes.appendLittleEndian(lastEpoch)
        bytes.appendLittleEndian(timeout)
        bytes.appendText(state.rawValue)
        bytes.appendLittleEndian(start?.rawValue ?? .min)
        bytes.appendLittleEndian(updated.rawValue)
        bytes.appendLittleEndian(Int32(partitions.count))
        for place in partitions { bytes.append(place) }
        bytes.appendLittleEndian(Int32(groups.count))
        for group in groups { bytes.appendText(group) }
        bytes.appendLittleEndian(Int32(offsets.count))
        for offset in offsets {
            bytes.appendText(offset.group)
            bytes.append(offset.place)
            bytes.appendLittleEndian(offset.offset.next.rawValue)
            bytes.appendLittleEndian(offset.offset.leaderEpoch)
            bytes.appendText(offset.offset.metadata)
        }
        return bytes
    }

    /// - Returns: nil if the row cannot be believed.
    init?(stored bytes: [UInt8], crc: Int64) {
        guard Int64(CRC32C.checksum(bytes)) == crc else { return nil }
        var reader = FieldReader(bytes: bytes[...])
        guard let name = reader.text(), let id = reader.integer(Int64.self), let epoch = reader.integer(Int16.self),
            let previous = reader.integer(Int64.self), let lastEpoch = reader.integer(Int16.self),
            let timeout = reader.integer(Int64.self), let state = reader.text().flatMap(State.init),
            let started = reader.integer(Int64.self), let updated = reader.integer(Int64.self),
            let partitions = reader.list({ $0.place() }), let groups = reader.list({ $0.text() }),
            let offsets = reader.list({ $0.offset() }), reader.bytes.isEmpty
        else { return nil }
        self.init(
            transactionalID: name, producer: ProducerIdentity(id: id, epoch: epoch), timeout: timeout,
            updated: Timestamp(updated))
        previousProducerID = previous
        self.lastEpoch = lastEpoch
        self.state = state
        start = started == .min ? nil : Timestamp(started)
        self.partitions = partitions
        self.groups = groups
        self.offsets = offsets
    }
}

extension [UInt8] {
    fileprivate mutating func appendText(_ text: String) {
        appendLittleEndian(Int32(text.utf8.count))
        append(contentsOf: text.utf8)
    }

    fileprivate mutating func append(_ place: TopicPartition) {
        appendText(place.topic)
        appendLittleEndian(Int32(place.partition))
    }
}

/// Takes fields from the front; nil where there is none.
private struct FieldReader {
    var bytes: ArraySlice<UInt8>

    mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Integer? {
        let size = MemoryLayout<Integer>.size
        guard bytes.count >= size else { return nil }
        defer { bytes.removeFirst(size) }
        return bytes.prefix(size).reversed().reduce(0) { $0 << 8 | Integer(truncatingIfNeeded: $1) }
    }

    mutating func text() -> String? {
        guard let count = integer(Int32.self), count >= 0, Int(count) <= bytes.count else { return nil }
        defer { bytes.removeFirst(Int(count)) }
        return String(validating: bytes.prefix(Int(count)), as: UTF8.self)
    }

    mutating func place() -> TopicPartition? {
        guard let topic = text(), let partition = integer(Int32.self), partition >= 0 else { return nil }
        return TopicPartition(topic: topic, partition: Int(partition))
    }

    mutating func offset() -> TransactionOffset? {
        guard let group = text(), let place = place(), let next = integer(Int64.self),
            let leaderEpoch = integer(Int32.self), let metadata = text()
        else { return nil }
        let offset = CommittedOffset(next: Offset(next), leaderEpoch: leaderEpoch, metadata: metadata)
        return TransactionOffset(group: group, place: place, offset: offset)
    }

    mutating func list<Element>(_ element: (inout FieldReader) -> Element?) -> [Element]? {
        guard let count = integer(Int32.self), count >= 0, Int(count) <= bytes.count else { return nil }
        var elements: [Element] = []
        for _ in 0..<count {
            guard let next = element(&self) else { return nil }
            elements.append(next)
        }
        return elements
    }
}
