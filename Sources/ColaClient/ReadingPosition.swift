/// A place in a topic's partition to read from.
public enum ReadingPosition: Hashable, Sendable {
    /// The first record there is.
    case first
    /// The last record there is.
    case last
    /// Only what comes from now on.
    case next
    /// The first record at or above the offset. One beyond the end is refused.
    case offset(Int64)
    /// The first record that the server took in then or later, milliseconds since 1970, UTC.
    case time(milliseconds: Int64)

    /// As the protocol writes it.
    var text: String {
        switch self {
        case .first: "first"
        case .last: "last"
        case .next: "next"
        case .offset(let offset): "\(offset)"
        case .time(let milliseconds): "@\(milliseconds)"
        }
    }
}
