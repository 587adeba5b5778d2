internal import ColaCore

/// The CRC32C that state rows carry: a flipped bit in a floor would lose messages without a word.
enum StateChecksum {
    static func logState(_ log: LogID, _ state: LogState) -> Int64 {
        var values: (Int64, Int64, Int64, Int64, Int64, Int64, Int64) = (
            log.rawValue.littleEndian, state.start.rawValue.littleEndian, state.next.rawValue.littleEndian,
            Int64(state.ready).littleEndian, Int64(state.bytes).littleEndian, state.floor.rawValue.littleEndian,
            state.handedOut.rawValue.littleEndian
        )
        guard let expiry = state.nextExpiry else {
            // As schema version 1 had it: rows of that time are as good as ever.
            return withUnsafeBytes(of: &values) { Int64(CRC32C.checksum($0)) }
        }
        var more = (values, expiry.rawValue.littleEndian)
        return withUnsafeBytes(of: &more) { Int64(CRC32C.checksum($0)) }
    }

    static func producer(_ log: LogID, _ state: ProducerState) -> Int64 {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(log.rawValue)
        bytes.appendLittleEndian(state.producerID)
        bytes.appendLittleEndian(Int64(state.epoch))
        bytes.appendLittleEndian(state.lastSeen.rawValue)
        bytes.appendLittleEndian(state.transactionStart?.rawValue ?? -1)
        return Int64(CRC32C.checksum(bytes + state.storedBatches))
    }

    static func settled(_ log: LogID, _ base: Offset, _ data: [UInt8]) -> Int64 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count + 16)
        withUnsafeBytes(of: log.rawValue.littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: base.rawValue.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: data)
        return Int64(CRC32C.checksum(bytes))
    }
}
