internal import Glibc

/// Walks the frames of an SQLite write-ahead log before SQLite does, to tell a torn tail from damage.
///
/// SQLite ends a log silently at the first frame that does not check. That is right for the tail that a power loss left
/// behind: every commit is synced before the next one's frames are written, so only frames of the last transaction can
/// be missing or torn. A bad frame in front of a *later* transaction's frame was synced once: it is damage, and to go
/// on would drop confirmed messages without a word. Damage in the very last transaction looks like a torn tail; nothing
/// in the file could tell them apart.
///
/// What can stand behind a torn tail: frames of an earlier run through the file (other salts), and frames of a lost
/// transaction of this run, which no later one's sums follow from. A disk writes whole sectors: a frame's header that
/// crosses a sector's border can be half new, half old, and is then no witness. What follows ``Walk/end`` is cut off at
/// each start, so that a damage that was accepted once is not met again.
///
/// Source: SQLite, "Database File Format", section 4
enum WriteAheadLog {
    static let headerBytes = 32
    static let frameHeaderBytes = 24
    private static let sectorBytes = 512

    struct Walk: Equatable {
        /// Behind the last frame of the last transaction that is whole. Bytes; 0 if the log holds nothing.
        var end = 0
        /// What the file has. Bytes.
        var fileBytes = 0
        /// Transactions that SQLite will see.
        var commits = 0
        /// Frames that SQLite will see.
        var frames = 0
        /// Why what follows `end` is more than a torn tail.
        var damage: String?
    }

    /// - Returns: nil if there is no file.
    static func walk(path: String) throws(StoreError) -> Walk? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw isNotPermitted(errno)
                ? .notPermitted(path: path, reason: systemReason(errno))
                : .inputOutput(operation: "open \(path)", reason: systemReason(errno))
        }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .inputOutput(operation: "look at \(path)", reason: systemReason(errno))
        }
        var walker = Walker(descriptor: descriptor, path: path, fileBytes: Int(status.st_size))
        return try walker.walk()
    }

    /// Cuts off what follows the last whole transaction, so that it can never be taken for something newer.
    static func cut(path: String, to end: Int) throws(StoreError) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw .inputOutput(operation: "open \(path)", reason: systemReason(errno)) }
        defer { Glibc.close(descriptor) }
        guard ftruncate(descriptor, off_t(end)) == 0, fsync(descriptor) == 0 else {
            throw .inputOutput(operation: "cut \(path)", reason: systemReason(errno))
        }
    }

    private struct Frame {
        var page: UInt32
        /// Not 0: the transaction ends here.
        var databasePages: UInt32
        var salts: UInt64
        var sum: Sum
        /// Its sum follows from that of the frame before it.
        var isChained: Bool
        /// No border of two sectors runs through its header.
        var isInOneSector: Bool
    }

    /// SQLite's checksum: two running sums over pairs of 32-bit words.
    struct Sum: Equatable {
        var first: UInt32 = 0
        var second: UInt32 = 0

        mutating func add(_ bytes: UnsafeRawBufferPointer, isBigEndian: Bool) {
            var (one, two) = (first, second)
            for position in stride(from: 0, to: bytes.count - 7, by: 8) {
                let left = bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
                let right = bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)
                one = one &+ (isBigEndian ? left.bigEndian : left.littleEndian) &+ two
                two = two &+ (isBigEndian ? right.bigEndian : right.littleEndian) &+ one
            }
            (first, second) = (one, two)
        }
    }

    private struct Walker {
        let descriptor: Int32
        let path: String
        let fileBytes: Int
        var pageBytes = Int(Settings.pageBytes)
        var isBigEndian = false
        var salts: UInt64 = 0
        var buffer: [UInt8] = []

        init(descriptor: Int32, path: String, fileBytes: Int) {
            self.descriptor = descriptor
            self.path = path
            self.fileBytes = fileBytes
        }

        var frameBytes: Int { frameHeaderBytes + pageBytes }
        var frameCount: Int { max(0, fileBytes - headerBytes) / frameBytes }

        mutating func walk() throws(StoreError) -> Walk {
            var result = Walk(fileBytes: fileBytes)
            guard fileBytes >= headerBytes else { return result }
            guard let headerSum = try readHeader() else {
                // The header is synced before the first frame is written, so frames behind a bad one are lost confirms.
                isBigEndian = false
                guard frameCount >= 2 else { return result }
                let first = try frame(0, after: Sum())
                salts = first.salts
                let second = try frame(1, after: first.sum)
                if second.isChained, second.salts == first.salts {
                    result.damage =
                        "the header of its write-ahead log (byte 0 of \(path)) does not check, but frames follow it"
                }
                return result
            }
            result.end = headerBytes
            var previous: Frame?
            var sum = headerSum
            var firstBad: Int?
            for index in 0..<frameCount {
                let frame = try frame(index, after: sum)
                let isGood = frame.isChained && frame.salts == salts && frame.page != 0
                if firstBad == nil, isGood {
                    if frame.databasePages != 0 {
                        result.end = headerBytes + (index + 1) * frameBytes
                        result.frames = index + 1
                        result.commits += 1
                    }
                } else {
                    let bad = firstBad ?? index
                    firstBad = bad
                    if isGood, let previous, index > bad, endsTransaction(previous) {
                        let byte = headerBytes + bad * frameBytes
                        result.damage =
                            "frame \(bad + 1) of its write-ahead log (byte \(byte) of \(path)) does not check, "
                            + "but a later transaction follows it at frame \(index + 1)"
                        return result
                    }
                }
                previous = frame
                sum = frame.sum
            }
            return result
        }

        /// Whether a frame behind the first bad one certainly ended a transaction of this run, given that the next
        /// frame's sum follows from its own.
        private func endsTransaction(_ frame: Frame) -> Bool {
            frame.databasePages != 0 && frame.salts == salts && (frame.isChained || frame.isInOneSector)
        }

        /// - Returns: the sum that the first frame's follows from; nil if the header does not check.
        private mutating func readHeader() throws(StoreError) -> Sum? {
            try read(headerBytes, at: 0)
            let magic = word(0)
            guard magic == 0x377f_0682 || magic == 0x377f_0683, word(4) == 3_007_000 else { return nil }
            let page = Int(word(8))
            guard page >= 512, page <= 65536, page & (page - 1) == 0 else { return nil }
            isBigEndian = magic & 1 == 1
            var sum = Sum()
            buffer.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[..<24]), isBigEndian: isBigEndian) }
            guard sum == Sum(first: word(24), second: word(28)) else { return nil }
            pageBytes = page
            salts = UInt64(word(16)) << 32 | UInt64(word(20))
            return sum
        }

        private mutating func frame(_ index: Int, after previous: Sum) throws(StoreError) -> Frame {
            let start = headerBytes + index * frameBytes
            try read(frameBytes, at: start)
            var sum = previous
            let stored = Sum(first: word(16), second: word(20))
            let frameSalts = UInt64(word(8)) << 32 | UInt64(word(12))
            // A frame of an earlier run needs no sum, and there can be many.
            let isOfThisRun = salts == 0 || frameSalts == salts
            if isOfThisRun {
                buffer.withUnsafeBytes {
                    sum.add(UnsafeRawBufferPointer(rebasing: $0[..<8]), isBigEndian: isBigEndian)
                    sum.add(
                        UnsafeRawBufferPointer(rebasing: $0[frameHeaderBytes..<frameBytes]), isBigEndian: isBigEndian)
                }
            }
            return Frame(
                page: word(0), databasePages: word(4), salts: frameSalts, sum: stored,
                isChained: isOfThisRun && sum == stored,
                isInOneSector: start / sectorBytes == (start + frameHeaderBytes - 1) / sectorBytes)
        }

        private func word(_ position: Int) -> UInt32 {
            buffer.withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt32.self)) }
        }

        private mutating func read(_ count: Int, at position: Int) throws(StoreError) {
            if buffer.count < count { buffer = [UInt8](repeating: 0, count: count) }
            var done = 0
            while done < count {
                let got = buffer.withUnsafeMutableBytes {
                    pread(descriptor, $0.baseAddress! + done, count - done, off_t(position + done))
                }
                if got < 0, errno == EINTR { continue }
                guard got > 0 else {
                    throw .inputOutput(
                        operation: "read \(path) at byte \(position + done)",
                        reason: got == 0 ? "the file ended" : systemReason(errno))
                }
                done += got
            }
        }
    }
}
