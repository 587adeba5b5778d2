import ColaCore

/// Record batches as a damaged disk or a hostile client would hand them in.
///
/// Each input is read twice: as it is, and with a length and checksum that fit, since no fuzzer guesses a checksum and
/// the rest of the decoder would never be reached. What was accepted must be in order and within the bytes, and must
/// come back the same when it is written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRecordBatch(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    read(bytes)
    read(sealed(bytes))
    return 0
}

private func read(_ bytes: [UInt8]) {
    let (segment, _) = RecordBatch.decode(bytes)
    var previous = Offset(-1)
    for entry in segment.entries {
        precondition(entry.offset > previous, "offset \(entry.offset) after \(previous)")
        previous = entry.offset
        for part in [entry.key, entry.value, entry.headers] {
            precondition(part.range.upperBound <= bytes.count, "\(part) in \(bytes.count) bytes")
        }
        precondition(segment.entry(at: entry.offset) == entry, "offset \(entry.offset) is not found")
        bytes[entry.headers.range].withUnsafeBytes { _ = RecordHeaders.decode($0) }
    }
    let (again, damage) = RecordBatch.decode(RecordBatch.encode(segment))
    precondition(damage.isEmpty, "what we wrote is damaged: \(damage)")
    precondition(again.entries.count == segment.entries.count, "\(again.entries.count) of \(segment.entries.count)")
    for (one, other) in zip(segment.entries, again.entries) {
        precondition(one.offset == other.offset && one.timestamp == other.timestamp)
        precondition(one.headerCount == other.headerCount && one.key.isNull == other.key.isNull)
        for (part, copy) in [(one.key, other.key), (one.value, other.value), (one.headers, other.headers)] {
            precondition(segment.data[part.range] == again.data[copy.range], "offset \(one.offset) changed")
        }
    }
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
    sealed[22] &= ~7  // not compressed
    put(CRC32C.checksum(Array(sealed[21...])), at: 17)
    return sealed
}
