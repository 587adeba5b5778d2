/// A message id that a queue or topic has seen, and until when it remembers.
package struct DedupEntry: Equatable, Sendable {
    /// The queue's log of priority 0, or the topic's of partition 0.
    package var log: LogID
    package var id: [UInt8]
    package var expires: Timestamp

    package init(log: LogID, id: [UInt8], expires: Timestamp) {
        self.log = log
        self.id = id
        self.expires = expires
    }
}
