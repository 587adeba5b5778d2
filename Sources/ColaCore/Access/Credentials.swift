/// What a peer says of itself before it may come in, whatever protocol it speaks.
///
/// A session does not look at it: to verify a password takes a tenth of a second on purpose. It hands it to its owner
/// and goes on when it is told the ``Authentication``.
package struct Credentials: Equatable, Sendable, CustomStringConvertible {
    package var user: String
    package var password: String
    package var peer: Peer
    /// Whether the peer's certificate is made out to the user: then there is no password to be looked at.
    package let isCertified: Bool

    /// Whether it is a token of a worker's process that stands in the place of the password.
    package var isOfWorker: Bool { user.hasPrefix(Access.workerPrefix) }

    package init(user: String, password: String, peer: Peer) {
        self.user = user
        self.password = password
        self.peer = peer
        isCertified = false
    }

    /// Of a peer whose certificate names the user; nil if it has shown none, or one without such a name.
    package init?(certificateOf peer: Peer, by part: PeerCertificate.Part) {
        // Such a user is who the kernel says, or who has a token, whatever an authority of clients signs.
        guard let user = peer.certificate?.name(by: part), !user.hasPrefix("uid:"),
            !user.hasPrefix(Access.workerPrefix)
        else { return nil }
        self.user = user
        password = ""
        self.peer = peer
        isCertified = true
    }

    /// Without the password, wherever it is printed.
    package var description: String { "\(user) from \(peer.description)" }
}

/// What was found of ``Credentials``.
package enum Authentication: Equatable, Sendable {
    case admitted(Access.Identity)
    /// Why not, for the peer: which of name and password is wrong is not said.
    case refused(String)
}
