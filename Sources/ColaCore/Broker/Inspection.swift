/// What can be listed.
package enum Listing: String, CaseIterable, Sendable {
    case queues
    case topics
    case exchanges
    case bindings
    case consumers
    case connections
    case groups
    case policies
    case virtualHosts = "vhosts"
    case users
    /// To take users to another server.
    case passwordHashes = "password-hashes"
    case permissions
    case topicPermissions = "topic-permissions"
}

/// Counted since the start.
struct Statistics {
    var published = 0
    var delivered = 0
    var acknowledged = 0
    var redelivered = 0
    /// Settled before they were written, so they never were.
    var elided = 0
    var commits = 0
    var quarantined = 0
    /// Messages of the schedule whose queue, topic or exchange was gone when they were due.
    var undeliverable = 0
}
