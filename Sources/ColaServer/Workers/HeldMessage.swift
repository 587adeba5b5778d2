package import ColaCore

/// The message that an instance of a worker has had for longest.
package struct HeldMessage: Equatable, Sendable {
    package let queue: String
    package let offset: Offset
    /// When it was handed to the instance.
    package let since: Instant

    package init(queue: String, offset: Offset, since: Instant) {
        self.queue = queue
        self.offset = offset
        self.since = since
    }
}
