internal import ColaCore

extension ProducerState {
    /// As the column `batches` has it.
    var storedBatches: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(batches.count * Self.batchBytes)
        for batch in batches {
            bytes.appendLittleEndian(batch.firstSequence)
            bytes.appendLittleEndian(batch.lastSequence)
            bytes.appendLittleEndian(batch.baseOffset.rawValue)
            bytes.appendLittleEndian(batch.timestamp.rawValue)
        }
        return bytes
    }

    private static let batchBytes = 24

    /// - Returns: nil if the row cannot be believed.
    init?(log: LogID, id: Int64, epoch: Int64, lastSeen: Int64, start: Int64, batches: [UInt8], crc: Int64) {
        guard let epoch = Int16(exactly: epoch), batches.count % Self.batchBytes == 0 else { return nil }
        self.init(producerID: id, epoch: epoch, lastSeen: Timestamp(lastSeen))
        if start >= 0 { transactionStart = Offset(start) }
        batches.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: Self.batchBytes) {
                self.batches.append(
                    Batch(
                        firstSequence: Self.read(bytes, start), lastSequence: Self.read(bytes, start + 4),
                        baseOffset: Offset(Self.read(bytes, start + 8)),
                        timestamp: Timestamp(Self.read(bytes, start + 16))))
            }
        }
        guard StateChecksum.producer(log, self) == crc else { return nil }
    }

    private static func read<Integer: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Integer {
        Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: Integer.self))
    }
}

extension [UInt8] {
    mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
