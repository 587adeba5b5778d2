/// A message that waits for its time, outside of any log; it is appended when it is due.
package struct ScheduledMessage: Equatable, Sendable {
    package enum Target: Equatable, Sendable {
        /// It is routed when it is due.
        case exchange(host: String, name: String, routingKey: String)
        /// It came back with a delay: into this queue, whatever its bindings are by then. The log names the queue.
        case queue(LogID)
    }

    package var key: ScheduleKey
    package var target: Target
    package var priority: UInt8
    /// How long it may wait once it is in a queue. Milliseconds; nil: as the queue says.
    package var timeToLive: Int64?
    package var message: Message

    package init(
        key: ScheduleKey, target: Target, priority: UInt8 = 0, timeToLive: Int64? = nil, message: Message
    ) {
        self.key = key
        self.target = target
        self.priority = priority
        self.timeToLive = timeToLive
        self.message = message
    }
}
