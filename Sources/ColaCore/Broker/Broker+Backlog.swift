internal import DequeModule
internal import OrderedCollections

/// What waits in a queue.
package struct Backlog: Equatable, Sendable {
    /// Messages that could be handed out.
    package var ready: Int
    /// For how long the first of them has been there, in milliseconds; 0 if that is not known without reading.
    package var oldestMilliseconds: Int64

    package init(ready: Int, oldestMilliseconds: Int64) {
        self.ready = ready
        self.oldestMilliseconds = oldestMilliseconds
    }
}

extension Broker {
    /// - Returns: nil if there is no such queue.
    package func backlog(of name: String, in host: String, at now: Now) -> Backlog? {
        guard case .queue(let queue)? = hosts[host]?.router.destinations[name] else { return nil }
        var oldest: Int64 = 0
        for lane in queue.lanes where lane.ready > 0 {
            let index = lane.log.windowIndex(endingAtOrAfter: lane.cursor.head)
            guard index < lane.log.window.count else { continue }
            let segment = lane.log.window[index].segment
            let entry = segment.index(atOrAfter: lane.cursor.head)
            guard entry < segment.entries.count else { continue }
            oldest = max(oldest, now.wall.rawValue - segment.entries[entry].timestamp.rawValue)
        }
        return Backlog(ready: queue.ready, oldestMilliseconds: oldest)
    }

    /// Whether there is a queue or a topic of the name.
    package func hasPlace(_ name: String, in host: String) -> Bool {
        hosts[host]?.router.destinations[name] != nil
    }
}
