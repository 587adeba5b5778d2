internal import ColaCompression
package import ColaCore

extension BatchInflater {
    /// What reads batches that were stored as their producers had compressed them.
    ///
    /// The records of one batch are all in memory at once. Clients compress a megabyte of them, unless they are told
    /// otherwise, and 64 MiB is far above that; what comes to more was made to hurt. A chunk can hold several batches,
    /// of which most are far from that bound.
    package static let stored = BatchInflater(
        batchBytesMax: 64 << 20, bytesMax: 256 << 20
    ) { bytes, codec, sizeMax throws(Failure) in
        do throws(DecompressionError) {
            return try codec.decompress(bytes, sizeMax: sizeMax)
        } catch {
            switch error {
            case .tooLarge, .outOfMemory: throw .tooLarge
            case .malformed, .cutShort: throw .malformed
            }
        }
    }
}
