/// Why a connection may not stay, though it has done nothing.
///
/// Source: RabbitMQ, which ends the connections of a user, or of a virtual host, that is deleted, with these words, and
/// keeps those of a user whose password or permissions change
package enum Dismissal: Equatable, Sendable, CustomStringConvertible {
    case userDeleted(String)
    case virtualHostDeleted(String)

    /// Of those of the native protocol, section 7.
    package var code: String {
        switch self {
        case .userDeleted: "unauthenticated"
        case .virtualHostDeleted: "not_found"
        }
    }

    package var description: String {
        switch self {
        case .userDeleted(let name): "user '\(name)' is deleted"
        case .virtualHostDeleted(let name): "vhost '\(name)' is deleted"
        }
    }
}

extension Broker {
    /// Ends connections when the gathering batch is on the disk: behind the answer to whoever asked for it, and only if
    /// it holds.
    func dismiss(_ dismissal: Dismissal, where isMeant: (Channel) -> Bool) {
        for channel in sortedChannels where channel.id.isConnection && isMeant(channel) {
            dismissals.append((gathering, channel.id, dismissal))
        }
    }

    func dismissDue() {
        guard !dismissals.isEmpty else { return }
        for due in dismissals where due.batch <= durable { effects.append(.dismiss(due.id, due.dismissal)) }
        dismissals.removeAll { $0.batch <= durable }
    }
}
