/// Finds frames in received bytes, without copying or allocating.
package enum FrameScanner {
    package enum Scan: Hashable, Sendable {
        /// There must be at least `needed` bytes from the place on where the frame begins.
        case incomplete(needed: Int)
        /// The frame is whole, and what is behind it begins at `next`.
        case frame(Frame, next: Int)
        case malformed(FrameError)
    }

    /// Looks at the frame that begins at `start`.
    ///
    /// - Parameter payloadMax: bytes a payload may have: the negotiated `frame_max` less ``Frame/overhead``. What is
    ///   larger is refused once its header is there.
    @inlinable package static func scan(
        _ bytes: UnsafeRawBufferPointer, from start: Int, payloadMax: Int
    ) -> Scan {
        let count = bytes.count - start
        guard count >= 7, let base = bytes.baseAddress else {
            if count > 0, Frame.Kind(rawValue: bytes[start]) == nil { return .malformed(.unknownType(bytes[start])) }
            return .incomplete(needed: 7)
        }
        let first = base + start
        let type = first.load(as: UInt8.self)
        guard let kind = Frame.Kind(rawValue: type) else { return .malformed(.unknownType(type)) }
        let size = Int(UInt32(bigEndian: first.loadUnaligned(fromByteOffset: 3, as: UInt32.self)))
        guard size <= payloadMax else { return .malformed(.tooLarge(size: size, max: payloadMax)) }
        guard count >= size + 8 else { return .incomplete(needed: size + 8) }
        let end = first.load(fromByteOffset: size + 7, as: UInt8.self)
        guard end == 0xCE else { return .malformed(.wrongEnd(end)) }
        let channel = UInt16(bigEndian: first.loadUnaligned(fromByteOffset: 1, as: UInt16.self))
        let payload = Range(uncheckedBounds: (start + 7, start + 7 + size))
        return .frame(Frame(kind: kind, channel: channel, payload: payload), next: start + size + 8)
    }
}
