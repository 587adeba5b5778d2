internal import ColaCore
internal import OrderedCollections

/// Keeps the requests that have arrived in part within a bound, over all connections.
///
/// A thousand clients that each send half of the largest message would otherwise fill the memory. Past the bound only
/// the connection that came first is read from; when its request is whole, the next one's turn comes. So there is
/// always one that goes on. Small requests never wait: an acknowledgement may be what makes room.
struct Inbox {
    enum Verdict: Equatable {
        case wait
        /// Go on, and so may these that had to wait.
        case goOn([ChannelID])
    }

    private let bytesMax: Int
    /// A part of at most this size does not wait.
    private let smallBytes: Int
    private var total = 0
    /// In the order in which their requests began.
    private var parts: OrderedDictionary<ChannelID, Int> = [:]
    private var waiting: OrderedSet<ChannelID> = []

    init(bytesMax: Int, smallBytes: Int = 0) {
        self.bytesMax = bytesMax
        self.smallBytes = smallBytes
    }

    /// The request for which others wait, and what has come of it.
    var obstacle: (id: ChannelID, bytes: Int)? {
        guard !waiting.isEmpty, let first = parts.elements.first else { return nil }
        return (first.key, first.value)
    }

    func contains(_ id: ChannelID) -> Bool { parts[id] != nil }
    func isWaiting(_ id: ChannelID) -> Bool { waiting.contains(id) }

    /// - Parameter bytes: what the connection has of a request now; 0 if its last one is whole.
    mutating func note(_ id: ChannelID, _ bytes: Int) -> Verdict {
        total += bytes - (parts[id] ?? 0)
        if bytes > 0 { parts[id] = bytes } else { parts[id] = nil }
        if total > bytesMax, bytes > smallBytes, parts.keys.first != id {
            waiting.append(id)
            return .wait
        }
        waiting.remove(id)
        return .goOn(freed())
    }

    /// - Returns: those that had to wait and may go on.
    mutating func remove(_ id: ChannelID) -> [ChannelID] {
        total -= parts[id] ?? 0
        parts[id] = nil
        waiting.remove(id)
        return freed()
    }

    private mutating func freed() -> [ChannelID] {
        guard !waiting.isEmpty else { return [] }
        if total <= bytesMax {
            defer { waiting = [] }
            return Array(waiting)
        }
        guard let first = parts.keys.first, waiting.remove(first) != nil else { return [] }
        return [first]
    }
}
