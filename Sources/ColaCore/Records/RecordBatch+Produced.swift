extension RecordBatch {
    /// Why a broker does not take what a producer sent. Nothing of it is stored.
    package struct ProducedBatchError: Error, Equatable, Sendable, CustomStringConvertible {
        /// Kafka's name of the error, with its number on the wire.
        package enum Code: Int16, Sendable {
            case corruptMessage = 2
            case invalidTimestamp = 32
            case unsupportedCompressionType = 76
            case invalidRecord = 87
        }

        package var code: Code
        /// The record at fault, counted in its batch from 0; nil: the batch.
        package var record: Int?
        /// A sentence for whoever wrote the client.
        package var description: String

        init(_ code: Code, record: Int? = nil, _ description: String) {
            self.code = code
            self.record = record
            self.description = description
        }
    }

    /// Checks what a producer sent for one partition as Kafka's broker does, before it is given offsets.
    ///
    /// What this accepts can be decoded; nothing is allocated to find out, unless the batch is compressed. The greatest
    /// timestamp is believed as it is, since clients differ in what they write there.
    ///
    /// - Parameters:
    ///   - latest: the greatest time that a record may have; what is later would never expire.
    ///   - inflater: who decompresses; nil: the records of a compressed batch are not looked at.
    /// - Returns: its header, with base offset 0, whatever the producer wrote there; its position is 0.
    /// - Throws: ``ProducedBatchError``. Zstandard in a request of a version below 7 is left to the caller, who knows
    ///   the version (`UNSUPPORTED_COMPRESSION_TYPE`); sequences are, too, and so is the size.
    ///
    /// Source: KIP-98 for what may be in a batch; error codes: Kafka protocol guide, "Error Codes"
    package static func validateProduced(
        _ bytes: UnsafeRawBufferPointer, latest: Timestamp = Timestamp(.max), inflating inflater: BatchInflater? = nil
    ) throws(ProducedBatchError) -> Header {
        let header = try producedHeader(bytes)
        guard header.verifyChecksum(in: bytes) else {
            throw ProducedBatchError(.corruptMessage, "the batch's checksum does not match")
        }
        try validate(header, latest: latest)
        let records = UnsafeRawBufferPointer(rebasing: bytes[header.recordRange])
        guard header.attributes.isCompressed else {
            try validateRecords(records, of: header, latest: latest)
            return header
        }
        guard let inflater else { return header }
        let inflated: [UInt8]
        do throws(Damage.Reason) {
            inflated = try inflate(records, of: header, inflater)
        } catch {
            throw ProducedBatchError(
                error == .inflatesTooFar ? .invalidRecord : .corruptMessage,
                "the batch cannot be read: \(error.rawValue)")
        }
        try inflated.withUnsafeBufferPointer { records throws(ProducedBatchError) in
            try validateRecords(UnsafeRawBufferPointer(records), of: header, latest: latest)
        }
        return header
    }

    package static func validateProduced(
        _ bytes: [UInt8], latest: Timestamp = Timestamp(.max), inflating inflater: BatchInflater? = nil
    ) throws(ProducedBatchError) -> Header {
        try bytes.withUnsafeBufferPointer { bytes throws(ProducedBatchError) in
            try validateProduced(UnsafeRawBufferPointer(bytes), latest: latest, inflating: inflater)
        }
    }

    /// One batch, all of it, and nothing behind it.
    private static func producedHeader(_ bytes: UnsafeRawBufferPointer) throws(ProducedBatchError) -> Header {
        guard bytes.count > 0 else { throw ProducedBatchError(.invalidRecord, "there is no batch") }
        // The formats before version 2 have the number of theirs in the same place.
        guard bytes.count > 16 else {
            throw ProducedBatchError(.corruptMessage, "\(bytes.count) bytes are too few for a batch")
        }
        guard bytes[16] == magic else {
            throw ProducedBatchError(.invalidRecord, "the batch is of version \(bytes[16]); only version 2 is taken")
        }
        let end: Int
        do throws(Damage) { end = try self.end(of: bytes, at: 0) } catch {
            throw ProducedBatchError(.corruptMessage, "the batch cannot be read: \(error.reason.rawValue)")
        }
        guard end == bytes.count else {
            throw ProducedBatchError(.invalidRecord, "something follows the batch; one batch is taken for a partition")
        }
        var header = Header(fieldsOf: bytes, at: 0, end: end)
        header.baseOffset = Offset(0)
        return header
    }

    private static func validate(_ header: Header, latest: Timestamp) throws(ProducedBatchError) {
        guard header.attributes.namesKnownCodec else {
            throw ProducedBatchError(
                .unsupportedCompressionType, "the batch is compressed by codec \(header.attributes.codecNumber)")
        }
        guard !header.attributes.contains(.control) else {
            throw ProducedBatchError(.invalidRecord, "control batches are written by brokers alone")
        }
        guard header.recordCount >= 1 else {
            throw ProducedBatchError(.invalidRecord, "the batch says that it has \(header.recordCount) records")
        }
        guard header.lastOffsetDelta == header.recordCount - 1 else {
            throw ProducedBatchError(
                .invalidRecord,
                "the batch has \(header.recordCount) records, but its last offset is \(header.lastOffsetDelta) "
                    + "above its first"
            )
        }
        guard !header.hasProducer || (header.baseSequence >= 0 && header.producerEpoch >= 0) else {
            throw ProducedBatchError(
                .invalidRecord,
                "the batch of producer \(header.producerID) has epoch \(header.producerEpoch) and sequence "
                    + "\(header.baseSequence)")
        }
        guard header.hasProducer || !header.attributes.contains(.transactional) else {
            throw ProducedBatchError(.invalidRecord, "the batch is of a transaction, but of no producer")
        }
        guard !header.attributes.contains(.logAppendTime) else {
            throw ProducedBatchError(.invalidTimestamp, "the batch has the time of a broker, not of its producer")
        }
        // -1 is "no time".
        guard header.baseTimestamp.rawValue >= -1, header.maxTimestamp.rawValue >= -1, header.maxTimestamp <= latest
        else {
            throw ProducedBatchError(
                .invalidTimestamp,
                "the batch's times, \(header.baseTimestamp) to \(header.maxTimestamp), are not from -1 to \(latest)")
        }
    }

    private static func validateRecords(
        _ records: UnsafeRawBufferPointer, of header: Header, latest: Timestamp
    ) throws(ProducedBatchError) {
        var position = 0
        for index in 0..<Int(header.recordCount) {
            guard let record = RecordWalk(records, at: &position) else {
                throw ProducedBatchError(.invalidRecord, record: index, "record \(index) is malformed")
            }
            guard record.offsetDelta == index else {
                throw ProducedBatchError(
                    .invalidRecord, record: index, "record \(index) has the offset \(record.offsetDelta)")
            }
            let (time, overflow) = header.baseTimestamp.rawValue.addingReportingOverflow(record.timestampDelta)
            guard !overflow, time >= -1, time <= latest.rawValue else {
                throw ProducedBatchError(
                    .invalidTimestamp, record: index, "the time of record \(index) is not from -1 to \(latest)")
            }
        }
        guard position == records.count else {
            throw ProducedBatchError(
                .invalidRecord, "\(records.count - position) bytes follow the last of \(header.recordCount) records")
        }
    }
}

/// One record, looked at from its length to its last header, of which nothing is kept but where it stands.
struct RecordWalk {
    var timestampDelta: Int64
    var offsetDelta: Int64

    /// - Returns: nil if no whole record begins at `position`, which is moved to its end.
    init?(_ bytes: UnsafeRawBufferPointer, at position: inout Int) {
        guard let length = Varint.read(bytes, at: &position), length >= 1, length <= Int64(bytes.count - position)
        else { return nil }
        let end = position + Int(length)
        let record = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        position += 1  // attributes: none are defined
        guard let timestampDelta = Varint.read(record, at: &position),
            let offsetDelta = Varint.read(record, at: &position),
            Self.skipPart(record, at: &position, lengthMin: -1),
            Self.skipPart(record, at: &position, lengthMin: -1),
            let headerCount = Varint.read(record, at: &position), headerCount >= 0,
            // A header is two bytes at least.
            headerCount <= Int64(end - position) / 2
        else { return nil }
        for _ in 0..<headerCount {
            guard Self.skipPart(record, at: &position, lengthMin: 0),
                Self.skipPart(record, at: &position, lengthMin: -1)
            else { return nil }
        }
        guard position == end else { return nil }
        self.timestampDelta = timestampDelta
        self.offsetDelta = offsetDelta
    }

    private static func skipPart(
        _ record: UnsafeRawBufferPointer, at position: inout Int, lengthMin: Int64
    ) -> Bool {
        guard let length = Varint.read(record, at: &position), length >= lengthMin,
            length <= Int64(record.count - position)
        else { return false }
        position += max(0, Int(length))
        return true
    }
}
