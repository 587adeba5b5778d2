internal import CSnappy

/// Snappy, in the framing that Java's client writes, or bare, as some clients do.
///
/// Shape:  `0x82 "SNAPPY" 0 | version i32 | compatible with i32`, then blocks: `length i32 | Snappy`; all big-endian.
///         Streams that were put one behind the other have the first 16 bytes again.
/// Source: the format of xerial's snappy-java; Snappy's own format description
enum Snappy {
    private static let magic: [UInt8] = [0x82] + Array("SNAPPY".utf8) + [0]
    private static let headerBytes = 16
    /// Of what is compressed. Java's client takes as much.
    private static let blockBytes = 32 * 1024

    static func decompress(_ bytes: UnsafeRawBufferPointer, sizeMax: Int) throws(DecompressionError) -> [UInt8] {
        var output = Output(sizeMax: sizeMax)
        guard bytes.starts(with: magic) else {
            try decompress(block: bytes, to: &output)
            return output.bytes
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            if rest.starts(with: magic) {
                guard rest.count >= headerBytes else { throw .cutShort }
                rest = rest.dropFirst(headerBytes)
                continue
            }
            guard rest.count >= 4 else { throw .cutShort }
            let length = Int(
                Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: rest.startIndex, as: Int32.self)))
            rest = rest.dropFirst(4)
            guard length > 0 else { throw .malformed }
            guard length <= rest.count else { throw .cutShort }
            try decompress(block: UnsafeRawBufferPointer(rebasing: rest.prefix(length)), to: &output)
            rest = rest.dropFirst(length)
        }
        return output.bytes
    }

    private static func decompress(
        block: UnsafeRawBufferPointer, to output: inout Output
    ) throws(DecompressionError) {
        guard let start = block.baseAddress?.assumingMemoryBound(to: CChar.self), block.count > 0 else {
            throw .cutShort
        }
        var size = 0
        // Three bytes stand for 64 at most: what says that it is more is not.
        guard snappy_uncompressed_length(start, block.count, &size) == SNAPPY_OK, size / 64 <= block.count / 3 else {
            throw .malformed
        }
        try output.take(size) { room throws(DecompressionError) in
            var written = room.count
            // Not even nothing may be written to nowhere.
            var nowhere: CChar = 0
            let code = withUnsafeMutablePointer(to: &nowhere) { nowhere in
                snappy_uncompress(
                    start, block.count, room.baseAddress?.assumingMemoryBound(to: CChar.self) ?? nowhere, &written)
            }
            guard code == SNAPPY_OK, written == room.count else { throw .malformed }
        }
    }

    static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var result = magic + [0, 0, 0, 1, 0, 0, 0, 1]
        var rest = bytes[...]
        while !rest.isEmpty {
            let block = UnsafeRawBufferPointer(rebasing: rest.prefix(blockBytes))
            let compressed = [UInt8](
                unsafeUninitializedCapacity: snappy_max_compressed_length(block.count)
            ) { buffer, count in
                count = buffer.count
                let code = snappy_compress(
                    block.baseAddress!.assumingMemoryBound(to: CChar.self), block.count,
                    UnsafeMutableRawPointer(buffer.baseAddress!).assumingMemoryBound(to: CChar.self), &count)
                precondition(code == SNAPPY_OK, "Snappy cannot compress: \(code)")
            }
            withUnsafeBytes(of: Int32(compressed.count).bigEndian) { result.append(contentsOf: $0) }
            result.append(contentsOf: compressed)
            rest = rest.dropFirst(block.count)
        }
        return result
    }
}
