internal import CZstd

/// Zstandard, RFC 8878: one frame or several.
enum Zstandard {
    /// How far a frame may look back, as a power of two: 128 MiB. The highest level of the library wants as much, for
    /// however little, so less would refuse what clients write.
    private static let windowLogMax: Int32 = 27

    static func decompress(_ bytes: UnsafeRawBufferPointer, sizeMax: Int) throws(DecompressionError) -> [UInt8] {
        guard let context = ZSTD_createDCtx() else { throw .outOfMemory }
        defer { ZSTD_freeDCtx(context) }
        let code = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLogMax)
        precondition(ZSTD_isError(code) == 0, "Zstandard takes no window of \(windowLogMax) bits")
        var output = Output(sizeMax: sizeMax)
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        while true {
            var piece = ZSTD_outBuffer(dst: output.piece.baseAddress, size: output.piece.count, pos: 0)
            let before = input.pos
            // What it expects next: 0 at the end of a frame.
            let wanted = ZSTD_decompressStream(context, &piece, &input)
            guard ZSTD_isError(wanted) == 0 else {
                throw ZSTD_getErrorCode(wanted) == ZSTD_error_memory_allocation ? .outOfMemory : .malformed
            }
            try output.takePiece(piece.pos)
            if input.pos == input.size, wanted == 0 { return output.bytes }
            if input.pos == before, piece.pos == 0 { throw .cutShort }
        }
    }

    static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { buffer, count in
            count = ZSTD_compress(
                buffer.baseAddress, buffer.count, bytes.baseAddress, bytes.count, ZSTD_CLEVEL_DEFAULT)
            precondition(
                ZSTD_isError(count) == 0, "Zstandard cannot compress: \(String(cString: ZSTD_getErrorName(count)))")
        }
    }
}
