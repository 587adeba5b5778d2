/// What has been decompressed so far: it grows piece by piece, and not beyond its bound.
struct Output: ~Copyable {
    private(set) var bytes: [UInt8] = []
    private let sizeMax: Int
    /// Where the library writes the next piece.
    let piece: UnsafeMutableRawBufferPointer

    /// As large as a block of most codecs, and small beside their own tables.
    private static let pieceBytes = 64 * 1024

    init(sizeMax: Int) {
        self.sizeMax = sizeMax
        piece = .allocate(byteCount: Self.pieceBytes, alignment: 16)
    }

    deinit { piece.deallocate() }

    /// Takes over the first `count` bytes of the piece.
    mutating func takePiece(_ count: Int) throws(DecompressionError) {
        try reserve(count)
        bytes.append(contentsOf: piece[..<count])
    }

    /// Has `write` fill exactly `count` bytes behind what is there.
    mutating func take(
        _ count: Int, _ write: (UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Void
    ) throws(DecompressionError) {
        try reserve(count)
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: count))
        try bytes.withUnsafeMutableBufferPointer { bytes throws(DecompressionError) in
            try write(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[start...]))
        }
    }

    private func reserve(_ count: Int) throws(DecompressionError) {
        guard count <= sizeMax - bytes.count else { throw .tooLarge(sizeMax: sizeMax) }
    }
}
