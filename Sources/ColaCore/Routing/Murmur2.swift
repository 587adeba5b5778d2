/// The hash by which Kafka's producers choose a partition for a key, so that a key goes to the same partition whether
/// it is published through Kafka's protocol or through another.
///
/// Shape:  32 bits, four bytes at a time, little-endian, seed 0x9747b28c
/// Source: Apache Kafka, `org.apache.kafka.common.utils.Utils.murmur2` and `BuiltInPartitioner.partitionForKey`
package enum Murmur2 {
    private static let seed: UInt32 = 0x9747_b28c
    private static let multiplier: UInt32 = 0x5bd1_e995

    /// - Returns: as signed as Java has it.
    package static func hash(_ bytes: ArraySlice<UInt8>) -> Int32 {
        bytes.withUnsafeBytes { hash($0) }
    }

    package static func hash(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        // A Java array has no more than 2^31 bytes.
        var hash = seed ^ UInt32(truncatingIfNeeded: bytes.count)
        var index = 0
        while index + 4 <= bytes.count {
            var word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self))
            word &*= multiplier
            word ^= word >> 24
            word &*= multiplier
            hash &*= multiplier
            hash ^= word
            index += 4
        }
        if index < bytes.count {
            var shift: UInt32 = 0
            while index < bytes.count {
                hash ^= UInt32(bytes[index]) << shift
                shift += 8
                index += 1
            }
            hash &*= multiplier
        }
        hash ^= hash >> 13
        hash &*= multiplier
        hash ^= hash >> 15
        return Int32(bitPattern: hash)
    }

    /// - Parameter count: the partitions of the topic, at least 1.
    /// - Returns: the partition from 0 on. Another count leads most keys elsewhere, as in Kafka.
    package static func partition(ofKey key: ArraySlice<UInt8>, count: Int) -> Int {
        precondition(count > 0, "a topic with \(count) partitions")
        // Kafka takes the sign bit away, which is not the absolute value.
        return Int(hash(key) & Int32.max) % count
    }
}
