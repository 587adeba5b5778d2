internal import ColaCore

/// What waits for the commit thread.
struct CommitQueue {
    enum Stop {
        /// Commit what was submitted, and mark the stop as clean.
        case inOrder
        /// Leave everything as it is, as a killed process would.
        case atOnce
    }

    var batches: [Batch] = []
    /// Messages in the schedule that cannot be read.
    var damaged: [ScheduleID] = []
    /// Disk space is scarce: what is free in our files should go back to the file system.
    var wantsRoom = false
    /// What another thread wants done with the connection, between two commits; a few milliseconds at most.
    var visit: (@Sendable (Connection) -> Void)?
    /// Whether a visit is under way.
    var isVisited = false
    /// Somebody will come again and must be waited for: what he began on the connection ends before it does.
    var hasVisitor = false
    var stop: Stop?
    /// Set once nothing more can be made durable.
    var failure: StoreError?
}
