internal import CLZ4

/// LZ4's frame format, with blocks that depend on each other or do not, and sizes said in front or not.
///
/// The frames with a wrong checksum of their header, which clients wrote for messages before version 2 (KAFKA-3160),
/// are not read: no record batch holds one.
///
/// Source: LZ4 frame format description 1.6
enum LZ4 {
    static func decompress(_ bytes: UnsafeRawBufferPointer, sizeMax: Int) throws(DecompressionError) -> [UInt8] {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0 else {
            throw .outOfMemory
        }
        defer { LZ4F_freeDecompressionContext(context) }
        var output = Output(sizeMax: sizeMax)
        var rest = bytes[...]
        while true {
            var (read, written) = (rest.count, output.piece.count)
            let next = UnsafeRawBufferPointer(rebasing: rest)
            // What it expects next: 0 at the end of a frame.
            let wanted = LZ4F_decompress(context, output.piece.baseAddress, &written, next.baseAddress, &read, nil)
            guard LZ4F_isError(wanted) == 0 else { throw .malformed }
            try output.takePiece(written)
            rest = rest.dropFirst(read)
            if rest.isEmpty, wanted == 0 { return output.bytes }
            if read == 0, written == 0 { throw .cutShort }
        }
    }

    static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        let bound = LZ4F_compressFrameBound(bytes.count, &preferences)
        return [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            count = LZ4F_compressFrame(buffer.baseAddress, buffer.count, bytes.baseAddress, bytes.count, &preferences)
            precondition(LZ4F_isError(count) == 0, "LZ4 cannot compress: \(String(cString: LZ4F_getErrorName(count)))")
        }
    }
}
