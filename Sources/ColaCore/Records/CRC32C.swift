internal import CChecksum

/// The checksum of record batches: CRC32C (Castagnoli), RFC 3720 appendix B.4.
package enum CRC32C {
    package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return cola_crc32c(0, base, bytes.count)
    }

    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0) }
    }

    /// The same without the processor's instruction, so that a test can hold one against the other.
    package static func portableChecksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { $0.baseAddress.map { cola_crc32c_portable(0, $0, bytes.count) } ?? 0 }
    }
}
