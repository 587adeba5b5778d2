internal import ColaCore

/// A message in the schedule, as it is stored: what says where it goes, and the message as one record batch.
///
/// Shape: `crc` is the CRC32C of due, id, log (0: none), priority and time to live (-1: none), each as 8 bytes,
/// little-endian; host, exchange and routing key, each behind its length as 8 bytes (-1: none); and `data`
struct EncodedSchedule: Sendable {
    var key: ScheduleKey
    /// The queue it goes back to; nil: it is routed by the three names.
    var log: LogID?
    var host: String?
    var exchange: String?
    var routingKey: String?
    var priority: Int64
    /// Milliseconds.
    var timeToLive: Int64?
    /// One record batch of one record, at offset 0.
    var data: [UInt8]
    var crc: Int64 = 0

    init(_ scheduled: ScheduledMessage) {
        key = scheduled.key
        switch scheduled.target {
        case .exchange(let host, let name, let routingKey):
            self.host = host
            exchange = name
            self.routingKey = routingKey
        case .queue(let log): self.log = log
        }
        priority = Int64(scheduled.priority)
        timeToLive = scheduled.timeToLive
        var segment = RecordSegment()
        segment.append(scheduled.message, at: Offset(0), timestamp: Timestamp(0))
        data = RecordBatch.encode(segment)
        crc = checksum
    }

    /// As a row holds it.
    init(
        key: ScheduleKey, log: LogID?, host: String?, exchange: String?, routingKey: String?, priority: Int64,
        timeToLive: Int64?, data: [UInt8], crc: Int64
    ) {
        self.key = key
        self.log = log
        self.host = host
        self.exchange = exchange
        self.routingKey = routingKey
        self.priority = priority
        self.timeToLive = timeToLive
        self.data = data
        self.crc = crc
    }

    /// - Returns: nil if it is damaged.
    func decoded() -> ScheduledMessage? {
        guard crc == checksum, let priority = UInt8(exactly: priority), let target else { return nil }
        let (segment, damage) = RecordBatch.decode(data)
        guard damage.isEmpty, segment.entries.count == 1, let message = segment.message(of: segment.entries[0]) else {
            return nil
        }
        return ScheduledMessage(
            key: key, target: target, priority: priority, timeToLive: timeToLive, message: message)
    }

    private var target: ScheduledMessage.Target? {
        if let log { return .queue(log) }
        guard let host, let exchange, let routingKey else { return nil }
        return .exchange(host: host, name: exchange, routingKey: routingKey)
    }

    private var checksum: Int64 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count + 256)
        func add(_ value: Int64) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        add(key.due.rawValue)
        add(key.id.rawValue)
        add(log?.rawValue ?? 0)
        add(priority)
        add(timeToLive ?? -1)
        for text in [host, exchange, routingKey] {
            add(text.map { Int64($0.utf8.count) } ?? -1)
            if let text { bytes.append(contentsOf: text.utf8) }
        }
        bytes.append(contentsOf: data)
        return Int64(CRC32C.checksum(bytes))
    }
}

extension RecordSegment {
    /// - Returns: nil if its headers are malformed.
    fileprivate func message(of entry: Entry) -> Message? {
        let decoded = data.withUnsafeBytes {
            RecordHeaders.decode(UnsafeRawBufferPointer(rebasing: $0[entry.headers.range]))
        }
        guard let decoded, decoded.count == Int(entry.headerCount) else { return nil }
        var headers = RecordHeaders()
        for header in decoded { headers.append(name: header.name, value: header.value) }
        return Message(
            key: entry.key.isNull ? nil : data[entry.key.range],
            value: entry.value.isNull ? nil : data[entry.value.range],
            headers: headers)
    }
}
