/// Why bytes are no frame. There is no way to go on behind it: nobody knows where the next frame begins.
package enum FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    case unknownType(UInt8)
    /// In bytes of payload.
    case tooLarge(size: Int, max: Int)
    case wrongEnd(UInt8)

    package var description: String {
        switch self {
        case .unknownType(let type): "a frame of type \(type), which there is not"
        case .tooLarge(let size, let max):
            "a frame with \(size) bytes of payload; at most \(max) were agreed upon (frame_max less 8)"
        case .wrongEnd(let octet): "a frame that ends with octet \(octet) instead of 206"
        }
    }
}
