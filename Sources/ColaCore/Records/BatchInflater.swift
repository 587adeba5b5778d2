/// Who decompresses the records of a batch: the core knows no codec itself.
package struct BatchInflater: Sendable {
    package enum Failure: Error, Sendable {
        case malformed
        /// They come to more than was allowed.
        case tooLarge
    }

    /// What the records of one batch may come to. Bytes.
    package var batchBytesMax: Int
    /// What those of all batches that are read at once may come to. Bytes.
    package var bytesMax: Int
    /// Decompresses bytes that the codec wrote, to at most as many as the last parameter says.
    package var inflate: @Sendable (UnsafeRawBufferPointer, CompressionCodec, Int) throws(Failure) -> [UInt8]

    /// - Precondition: `bytesMax` is at most 1 GiB, as the places in a segment are 32 bits wide.
    package init(
        batchBytesMax: Int, bytesMax: Int,
        inflate: @escaping @Sendable (UnsafeRawBufferPointer, CompressionCodec, Int) throws(Failure) -> [UInt8]
    ) {
        precondition(bytesMax <= 1 << 30, "\(bytesMax) bytes are too many for a segment")
        self.batchBytesMax = batchBytesMax
        self.bytesMax = bytesMax
        self.inflate = inflate
    }
}
