/// How far the messages of a `pubs` have arrived, so that each byte of a large one is looked at once.
struct PendingBatch {
    /// Where the next message's size begins, counted from the request's line.
    var position: Int
    var remaining: Int
    /// The size of the bodies that have arrived, and what all may have together. Bytes.
    var total: Int
    let bytesMax: Int

    /// - Returns: whether the request is whole. Also true if it is wrong: reading it will say what is.
    mutating func advance(in bytes: UnsafeRawBufferPointer) -> Bool {
        while remaining > 0 {
            switch LineScanner.findLine(in: bytes, from: position, limit: 21) {
            case .incomplete: return false
            case .tooLong: return true
            case .found(let end, let next):
                guard let size = Decimal.parse(UnsafeRawBufferPointer(rebasing: bytes[position..<end])),
                    size <= Int64(bytesMax - total)
                else { return true }
                guard next + Int(size) < bytes.count else { return false }
                position = next + Int(size) + 1
                total += Int(size)
                remaining -= 1
            }
        }
        return true
    }
}
