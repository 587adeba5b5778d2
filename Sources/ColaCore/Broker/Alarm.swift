/// What can become scarce.
package enum Alarm: String, CaseIterable, Sendable {
    /// The store could not write, and tries again.
    case storage
    /// The file system has less room than the limit.
    case disk
    /// The process takes more memory than the limit.
    case memory
}
