/// Why bytes are no frame.
package enum FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    case negative(size: Int)
    /// In bytes behind the size.
    case tooLarge(size: Int, max: Int)

    package var description: String {
        switch self {
        case .negative(let size): "a frame of \(size) bytes"
        case .tooLarge(let size, let max): "a frame of \(size) bytes; the limit is \(max)"
        }
    }
}
