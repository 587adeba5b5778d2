/// Finds frames in received bytes, without copying or allocating.
///
/// Shape:  size (int32, of what follows it), then as many bytes: a header and a body
/// Source: Kafka protocol guide, "Protocol Structure"
package enum FrameScanner {
    package enum Scan: Hashable, Sendable {
        /// There must be at least `needed` bytes from the place on where the frame begins.
        case incomplete(needed: Int)
        /// The frame is whole: where its content stands. What is behind it begins at the upper bound.
        case frame(Range<Int>)
        /// There is no way to go on: nobody knows where the next frame begins.
        case malformed(FrameError)
    }

    /// What stands before a frame.
    package static let sizeBytes = 4

    /// Looks at the frame that begins at `start`.
    ///
    /// - Parameter sizeMax: bytes a frame may have behind its size. What is larger is refused once its size is there,
    ///   so that nobody gathers it.
    @inlinable package static func scan(
        _ bytes: UnsafeRawBufferPointer, from start: Int = 0, sizeMax: Int
    ) -> Scan {
        let count = bytes.count - start
        guard count >= 4 else { return .incomplete(needed: 4) }
        let size = Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: Int32.self)))
        guard size >= 0 else { return .malformed(.negative(size: size)) }
        guard size <= sizeMax else { return .malformed(.tooLarge(size: size, max: sizeMax)) }
        guard count - 4 >= size else { return .incomplete(needed: size + 4) }
        return .frame(Range(uncheckedBounds: (start + 4, start + 4 + size)))
    }
}
