/// What an instance is doing, in the five words of the textbooks.
package enum InstanceState: String, CaseIterable, Sendable {
    /// It is being started, or waits for its turn to be; not ready for a message yet.
    case new
    /// It could have a message, and has none. In exec no process exists then.
    case ready
    /// It holds a message, or more.
    case running
    /// It was paused by an operator, or the broker holds it back.
    case blocked
    /// It has no process: it failed and waits, is over, or was stopped.
    case terminated

    /// The states that lie on the way to `other`, with it as the last: what is blocked becomes ready before it runs,
    /// and a process that has ended is followed by a new one.
    func path(to other: InstanceState) -> [InstanceState] {
        switch (self, other) {
        case (.blocked, .running), (.new, .running): [.ready, .running]
        case (.terminated, .running): [.new, .ready, .running]
        case (.terminated, .ready), (.terminated, .blocked): [.new, other]
        case (.ready, .new), (.running, .new): [.terminated, .new]
        default: self == other ? [] : [other]
        }
    }
}
