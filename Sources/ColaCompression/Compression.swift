package import ColaCore

/// Why bytes could not be decompressed. Nothing of them is used then.
package enum DecompressionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// They are not what the codec writes, or one of its own checksums does not match.
    case malformed
    /// They end before what they began does.
    case cutShort
    /// They come to more than the bytes that were allowed.
    case tooLarge(sizeMax: Int)
    /// The library has no memory for its tables.
    case outOfMemory

    package var description: String {
        switch self {
        case .malformed: "the compressed bytes are malformed"
        case .cutShort: "the compressed bytes are cut short"
        case .tooLarge(let sizeMax): "the compressed bytes come to more than \(sizeMax) bytes"
        case .outOfMemory: "there is no memory to decompress"
        }
    }
}

extension CompressionCodec {
    /// What `bytes` were before they were compressed.
    ///
    /// Beside the result this takes what the codec needs to look back, which for zstd may be 128 MiB of addresses, of
    /// which as much is memory as the result takes. The result grows as it comes: a size that is said in front is
    /// believed only where it is plausible. Any thread may call this, and many at once.
    ///
    /// - Parameter sizeMax: what the result may be at most. Bytes.
    /// - Throws: ``DecompressionError``. As soon as the result passes `sizeMax`, however much would follow.
    package func decompress(_ bytes: UnsafeRawBufferPointer, sizeMax: Int) throws(DecompressionError) -> [UInt8] {
        switch self {
        case .gzip: try Gzip.decompress(bytes, sizeMax: sizeMax)
        case .snappy: try Snappy.decompress(bytes, sizeMax: sizeMax)
        case .lz4: try LZ4.decompress(bytes, sizeMax: sizeMax)
        case .zstd: try Zstandard.decompress(bytes, sizeMax: sizeMax)
        }
    }

    package func decompress(_ bytes: [UInt8], sizeMax: Int) throws(DecompressionError) -> [UInt8] {
        try bytes.withUnsafeBufferPointer { bytes throws(DecompressionError) in
            try decompress(UnsafeRawBufferPointer(bytes), sizeMax: sizeMax)
        }
    }

    /// `bytes`, compressed as Java's client does with its default level.
    ///
    /// - Precondition: at most 1 GiB, which is more than a record batch can hold; there is memory for the result.
    package func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        precondition(bytes.count <= 1 << 30, "\(bytes.count) bytes are more than a record batch can hold")
        return switch self {
        case .gzip: Gzip.compress(bytes)
        case .snappy: Snappy.compress(bytes)
        case .lz4: LZ4.compress(bytes)
        case .zstd: Zstandard.compress(bytes)
        }
    }

    package func compress(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { compress($0) } }
}
