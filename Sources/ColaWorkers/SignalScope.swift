/// Whom a signal to an instance reaches.
package enum SignalScope: Sendable {
    /// The process that was started.
    case process
    /// It and those in its process group.
    case group
    /// Its session, and every descendant that left it.
    case tree
}
