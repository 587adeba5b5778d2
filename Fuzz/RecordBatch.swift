import ColaCore

/// Record batches as a damaged disk or a hostile client would hand them in.
///
/// Each input is read twice: as it is, and with a length and checksum that fit, since no fuzzer guesses a checksum and
/// the rest of the decoder would never be reached. What was accepted must be in order and within the bytes, and must
/// come back the same when it is written and read again. Who decompresses here hands on what he gets: the codecs have a
/// target of their own.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRecordBatch(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    read(bytes)
    read(sealed(bytes))
    return 0
}

private func read(_ bytes: [UInt8]) {
    let (segment, damage) = RecordBatch.decode(bytes, inflating: copying)
    let headers = try? RecordBatch.headers(in: bytes)
    precondition(headers != nil || !damage.isEmpty, "sound batches without headers")
    if damage.isEmpty { rewrite(bytes, segment) }
    if let header = try? RecordBatch.validateProduced(bytes, inflating: copying) {
        // The place in the log is the broker's to give.
        var placed = bytes
        var moved = header
        moved.assignOffsets(base: Offset(7), leaderEpoch: 1, in: &placed)
        let (records, damage) = RecordBatch.decode(placed, inflating: copying)
        precondition(damage.isEmpty && records.entries.count == header.recordCount, "taken, but \(damage)")
    }
    var previous = Offset(-1)
    for entry in segment.entries {
        precondition(entry.offset > previous, "offset \(entry.offset) after \(previous)")
        previous = entry.offset
        for part in [entry.key, entry.value, entry.headers] {
            precondition(part.range.upperBound <= segment.data.count, "\(part) in \(segment.data.count) bytes")
        }
        precondition(segment.entry(at: entry.offset) == entry, "offset \(entry.offset) is not found")
        segment.data[entry.headers.range].withUnsafeBytes { _ = RecordHeaders.decode($0) }
    }
    let (again, lost) = RecordBatch.decode(RecordBatch.encode(segment))
    precondition(lost.isEmpty, "what we wrote is damaged: \(lost)")
    precondition(again.entries.count == segment.entries.count, "\(again.entries.count) of \(segment.entries.count)")
    for (one, other) in zip(segment.entries, again.entries) {
        precondition(one.offset == other.offset && one.timestamp == other.timestamp)
        precondition(one.headerCount == other.headerCount && one.key.isNull == other.key.isNull)
        for (part, copy) in [(one.key, other.key), (one.value, other.value), (one.headers, other.headers)] {
            precondition(segment.data[part.range] == again.data[copy.range], "offset \(one.offset) changed")
        }
    }
}

/// Sound batches without every other record are sound, and without these alone.
private func rewrite(_ bytes: [UInt8], _ segment: RecordSegment) {
    // Whoever rewrites looks at the headers of each record, and may find them malformed.
    let found = try? RecordBatch.keeping(bytes, inflating: copying, where: { $0.rawValue.isMultiple(of: 2) })
    guard let kept = found else { return }
    let (rest, damage) = RecordBatch.decode(kept, inflating: copying)
    precondition(damage.isEmpty, "what we rewrote is damaged: \(damage)")
    let wanted = segment.entries.map(\.offset).filter { $0.rawValue.isMultiple(of: 2) }
    precondition(rest.entries.map(\.offset) == wanted, "\(rest.entries.count) of \(wanted.count)")
}

private let copying = BatchInflater(
    batchBytesMax: 1 << 20, bytesMax: 1 << 20
) { bytes, _, sizeMax throws(BatchInflater.Failure) in
    guard bytes.count <= sizeMax else { throw .tooLarge }
    return Array(bytes)
}

/// `bytes` as one batch: its length, version and checksum made to fit.
private func sealed(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.count >= RecordBatch.headerBytes else { return bytes }
    var sealed = bytes
    func put(_ value: UInt32, at position: Int) {
        withUnsafeBytes(of: value.bigEndian) { sealed.replaceSubrange(position..<position + 4, with: $0) }
    }
    put(UInt32(bytes.count - 12), at: 8)
    sealed[16] = 2
    put(CRC32C.checksum(Array(sealed[21...])), at: 17)
    return sealed
}
