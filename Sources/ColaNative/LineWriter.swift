/// Puts the short pieces of a line one behind the other into memory that has room for all of them: a delivery has
/// about ten, and each would be a call into a buffer otherwise.
struct LineWriter {
    private let room: UnsafeMutableRawBufferPointer
    /// How many bytes were written.
    private(set) var count = 0

    init(_ room: UnsafeMutableRawBufferPointer) {
        self.room = room
    }

    mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Writes a number that is not negative.
    mutating func write(_ number: Int64) {
        count += Decimal.write(number, to: UnsafeMutableRawBufferPointer(rebasing: room[count...]))
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= room.count - count, "\(bytes.count) bytes more than there is room for")
        UnsafeMutableRawBufferPointer(rebasing: room[count...]).copyMemory(from: bytes)
        count += bytes.count
    }
}
