internal import CZlib

/// gzip, RFC 1952: one member or several, one after the other.
enum Gzip {
    /// The largest window there is, and the header and trailer of gzip instead of zlib's.
    private static let windowBits: Int32 = 15 + 16

    static func decompress(_ bytes: UnsafeRawBufferPointer, sizeMax: Int) throws(DecompressionError) -> [UInt8] {
        // zlib keeps a pointer to it.
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer { stream.deallocate() }
        guard inflateInit2_(stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .outOfMemory
        }
        defer { inflateEnd(stream) }
        var output = Output(sizeMax: sizeMax)
        var input = Input(bytes)
        while true {
            input.refill(stream)
            let piece = output.piece
            stream.pointee.next_out = piece.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(piece.count)
            let code = inflate(stream, Z_NO_FLUSH)
            try output.takePiece(piece.count - Int(stream.pointee.avail_out))
            switch code {
            case Z_OK: break
            case Z_STREAM_END:
                if stream.pointee.avail_in == 0, input.isEmpty { return output.bytes }
                inflateReset(stream)
            // No progress: it wants more input, and there is none.
            case Z_BUF_ERROR: throw .cutShort
            case Z_MEM_ERROR: throw .outOfMemory
            default: throw .malformed
            }
        }
    }

    static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer { stream.deallocate() }
        let opened = deflateInit2_(
            stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(opened == Z_OK, "zlib cannot begin: \(opened)")
        defer { deflateEnd(stream) }
        return [UInt8](unsafeUninitializedCapacity: Int(deflateBound(stream, UInt(bytes.count)))) { buffer, count in
            stream.pointee.next_in = bytes.mutableBytes
            stream.pointee.avail_in = UInt32(bytes.count)
            stream.pointee.next_out = buffer.baseAddress
            stream.pointee.avail_out = UInt32(buffer.count)
            let code = deflate(stream, Z_FINISH)
            precondition(code == Z_STREAM_END, "zlib does not end: \(code)")
            count = buffer.count - Int(stream.pointee.avail_out)
        }
    }

    /// What is still to be handed to zlib, which counts in 32 bits.
    private struct Input {
        private var rest: UnsafeRawBufferPointer

        init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

        var isEmpty: Bool { rest.isEmpty }

        mutating func refill(_ stream: UnsafeMutablePointer<z_stream>) {
            guard stream.pointee.avail_in == 0 else { return }
            let next = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            stream.pointee.next_in = next.mutableBytes
            stream.pointee.avail_in = UInt32(next.count)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(next.count))
        }
    }
}

extension UnsafeRawBufferPointer {
    /// zlib reads only, but says so to nobody.
    fileprivate var mutableBytes: UnsafeMutablePointer<UInt8>? {
        UnsafeMutablePointer(mutating: baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
}
