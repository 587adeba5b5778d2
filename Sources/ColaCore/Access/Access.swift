/// Where a connection comes from.
package enum Peer: Equatable, Sendable {
    /// What the kernel says of the process at the other end of a Unix socket.
    case process(id: Int, user: Int, group: Int)
    case address(String, isLoopback: Bool)
    /// The same through TLS.
    case secured(String, isLoopback: Bool, certificate: PeerCertificate?)

    package var description: String {
        switch self {
        case .process(let id, let user, _): "pid \(id), uid \(user)"
        case .address(let address, _), .secured(let address, _, _): address
        }
    }

    /// Whether it is on this machine.
    package var isLocal: Bool {
        switch self {
        case .process: true
        case .address(_, let isLoopback), .secured(_, let isLoopback, _): isLoopback
        }
    }

    /// What it has shown of itself, and an authority of ours has signed.
    package var certificate: PeerCertificate? {
        if case .secured(_, _, let certificate) = self { certificate } else { nil }
    }
}

/// Who may come in. A Unix socket's peer is who its uid says; over TCP a name and a password are asked for.
///
/// Source: `protocol/native.md` section 1, "Who you are"
package struct Access: Equatable, Sendable {
    package struct Account: Equatable, Sendable, CustomStringConvertible {
        package var user: String
        package var password: String

        package init(user: String, password: String) {
            self.user = user
            self.password = password
        }

        /// Without the password, wherever it is printed.
        package var description: String { user }
    }

    package struct Identity: Equatable, Sendable {
        package var user: String
        package var isAdministrator: Bool

        package init(user: String, isAdministrator: Bool) {
            self.user = user
            self.isAdministrator = isAdministrator
        }
    }

    /// A user as others may see it: without the password.
    struct User: Equatable {
        enum Authentication: String {
            case password
            /// What the kernel says of the process at the other end.
            case unixSocket = "unix-socket"
        }

        var name: String
        var authentication: Authentication
        var isAdministrator: Bool
        var isFromLoopbackOnly: Bool
    }

    /// The user of this server, from anywhere; nil: `guest` with password `guest`, from loopback only.
    package var account: Account?
    /// The user id that this process runs as.
    package var serverUser: Int

    package init(account: Account?, serverUser: Int) {
        self.account = account
        self.serverUser = serverUser
    }

    /// Who a peer is without having said anything; nil if it must name itself.
    package func identity(of peer: Peer) -> Identity? {
        guard case .process(_, let user, _) = peer else { return nil }
        return Identity(user: Self.name(ofUser: user), isAdministrator: user == serverUser || user == 0)
    }

    fileprivate static func name(ofUser id: Int) -> String { "uid:\(id)" }

    /// - Returns: nil if the name or the password is wrong, or `guest` comes from elsewhere. Which of them is not said.
    private func admit(user: String, password: String, from peer: Peer) -> Identity? {
        let expected = account ?? Account(user: "guest", password: "guest")
        let isRight = Self.equal(user, expected.user) & Self.equal(password, expected.password)
        guard isRight == 1 else { return nil }
        if account == nil, !peer.isLocal { return nil }
        return Identity(user: user, isAdministrator: account != nil)
    }

    package func authentication(of credentials: Credentials) -> Authentication {
        let identity = admit(user: credentials.user, password: credentials.password, from: credentials.peer)
        if let identity { return .admitted(identity) }
        return .refused("wrong name or password, or the user may not come from \(credentials.peer.description)")
    }

    /// Who may come in and is known before he has: the user with a password, and the administrators of the Unix socket.
    var users: [User] {
        let password = User(
            name: account?.user ?? "guest", authentication: .password, isAdministrator: account != nil,
            isFromLoopbackOnly: account == nil)
        let administrators = (serverUser == 0 ? [0] : [0, serverUser]).map { User(uid: $0, isAdministrator: true) }
        return [password] + administrators
    }

    /// 1 if they are equal, else 0, in a time that depends on the length of `given` alone.
    private static func equal(_ given: String, _ expected: String) -> Int {
        let given = Array(given.utf8)
        let expected = Array(expected.utf8)
        var difference = UInt8(given.count == expected.count ? 0 : 1)
        for index in given.indices {
            difference |= given[index] ^ (expected.isEmpty ? 1 : expected[index % expected.count])
        }
        return difference == 0 ? 1 : 0
    }
}

extension Access.User {
    /// The user that a process on the Unix socket is.
    fileprivate init(uid: Int, isAdministrator: Bool) {
        self.init(name: Access.name(ofUser: uid), isAdministrator: isAdministrator)
    }

    /// One of the Unix socket.
    init(name: String, isAdministrator: Bool) {
        self.init(
            name: name, authentication: .unixSocket, isAdministrator: isAdministrator, isFromLoopbackOnly: false)
    }
}
