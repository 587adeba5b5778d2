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
    var stop: Stop?
    /// Set once nothing more can be made durable.
    var failure: StoreError?
}
