/// The hash by which RabbitMQ's stream clients choose the partition of a super stream for a key.
///
/// Shape:  32 bits, four bytes at a time, little-endian; MurmurHash3_x86_32
/// Source: Austin Appleby, SMHasher, `MurmurHash3.cpp`; the seed is that of RabbitMQ's clients
package enum Murmur3 {
    /// The seed of super streams.
    package static let superStreamSeed: UInt32 = 104_729

    package static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
        var hash = seed
        var index = 0
        while index + 4 <= bytes.count {
            hash ^= scrambled(
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)))
            hash = rotated(hash, by: 13) &* 5 &+ 0xe654_6b64
            index += 4
        }
        var rest: UInt32 = 0
        for shift in index..<bytes.count { rest |= UInt32(bytes[shift]) << UInt32(8 * (shift - index)) }
        if index < bytes.count { hash ^= scrambled(rest) }
        hash ^= UInt32(truncatingIfNeeded: bytes.count)
        hash = (hash ^ (hash >> 16)) &* 0x85eb_ca6b
        hash = (hash ^ (hash >> 13)) &* 0xc2b2_ae35
        return hash ^ (hash >> 16)
    }

    package static func hash(_ text: String, seed: UInt32) -> UInt32 {
        var text = text
        return text.withUTF8 { hash(UnsafeRawBufferPointer($0), seed: seed) }
    }

    private static func scrambled(_ word: UInt32) -> UInt32 {
        rotated(word &* 0xcc9e_2d51, by: 15) &* 0x1b87_3593
    }

    private static func rotated(_ word: UInt32, by bits: UInt32) -> UInt32 { word << bits | word >> (32 - bits) }
}
