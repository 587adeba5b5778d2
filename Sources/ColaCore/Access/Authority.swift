/// How a channel came by what it may do.
package enum Authority: Equatable, Sendable {
    /// What is stored of the user of its name: tags and permissions, as they are when it asks.
    case user
    /// The messages of every virtual host, and nothing that concerns the server: a worker, which runs for whoever
    /// configures the server.
    case messages
    /// Everything: the server's own user, by his Unix socket.
    case all
}
