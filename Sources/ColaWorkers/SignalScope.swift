/// Whom a signal to an instance is for.
package enum SignalScope: UInt8, Sendable, CaseIterable {
    /// The process that was started, alone.
    case process = 0
    /// Its process group: what a shell would call the job.
    case group = 1
    /// Its session, and every descendant that left it.
    case tree = 2
}
