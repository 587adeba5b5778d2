extension RecordBatch {
    /// The batch that ends a producer's transaction in one partition: a control batch with one record, its key
    /// `version int16 = 0 | type int16`, its value `version int16 = 0 | coordinator epoch int32`.
    ///
    /// Source: KIP-98, "Control Messages"; Kafka documentation, "Control Batches"
    /// - Parameter offset: where it stands in the log.
    package static func marker(
        of producer: ProducerIdentity, isCommit: Bool, at offset: Offset, time: Timestamp
    ) -> PackedRun {
        let key: [UInt8] = [0, 0, 0, isCommit ? 1 : 0]
        let value = [UInt8](repeating: 0, count: 6)
        // attributes, timestamp and offset deltas, then key and value with their lengths, and no headers.
        var record: [UInt8] = [0, 0, 0]
        Varint.append(Int64(key.count), to: &record)
        record += key
        Varint.append(Int64(value.count), to: &record)
        record += value + [0]
        var batch = [UInt8](repeating: 0, count: headerBytes)
        Varint.append(Int64(record.count), to: &batch)
        batch += record
        batch.withUnsafeMutableBytes { bytes in
            func put(_ value: some FixedWidthInteger, _ field: Int) {
                bytes.storeBytes(of: value.bigEndian, toByteOffset: field, as: type(of: value.bigEndian))
            }
            put(offset.rawValue, 0)
            put(Int32(bytes.count - lengthEnd), 8)
            put(Int8(magic), 16)
            put(Attributes([.transactional, .control]).rawValue, attributesStart)
            put(time.rawValue, 27)
            put(time.rawValue, maxTimestampStart)
            put(producer.id, 43)
            put(producer.epoch, 51)
            put(Int32(-1), 53)
            put(Int32(1), 57)
            put(checksum(of: UnsafeRawBufferPointer(bytes), 0..<bytes.count), crcStart)
        }
        return PackedRun(base: offset, last: offset, data: batch, count: 0, minTimestamp: time, maxTimestamp: time)
    }
}
