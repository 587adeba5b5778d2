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

    /// Whether nobody on the way can read or change what is said.
    /// Its address without the port.
    package var host: String {
        if case .process = self { return description }
        guard let colon = description.lastIndex(of: ":") else { return description }
        return String(description[..<colon])
    }

    package var isSecured: Bool { if case .secured = self { true } else { false } }

    /// What it has shown of itself, and an authority of ours has signed.
    package var certificate: PeerCertificate? {
        if case .secured(_, _, let certificate) = self { certificate } else { nil }
    }
}

/// Who may come in without a password: a Unix socket's peer is who its uid says.
///
/// Source: `protocol/native.md` section 1, "Who you are"
package struct Access: Equatable, Sendable {
    package struct Identity: Equatable, Sendable {
        package var user: String
        package var isAdministrator: Bool
        /// By what it may do what it does.
        package var authority: Authority
        /// Whether it may publish in the name of others.
        package var mayImpersonate = false
        /// Whose process it is, if it has shown a token of one.
        package var worker: WorkerRequest.Target?

        package init(user: String, isAdministrator: Bool, authority: Authority = .user) {
            self.user = user
            self.isAdministrator = isAdministrator
            self.authority = authority
        }

        /// A process of a worker, which is known by its token.
        package init(worker: WorkerRequest.Target) {
            self.init(user: Access.name(ofWorker: worker.worker), isAdministrator: false, authority: .messages)
            self.worker = worker
        }
    }

    /// What the names of those begin with who have no password that is kept: nobody else may be called so.
    package static let workerPrefix = "worker:"

    package static func name(ofWorker worker: String) -> String { workerPrefix + worker }

    /// The user id that this process runs as.
    package var serverUser: Int

    package init(serverUser: Int) {
        self.serverUser = serverUser
    }

    /// Who a peer is without having said anything; nil if it must name itself.
    package func identity(of peer: Peer) -> Identity? {
        guard case .process(_, let user, _) = peer else { return nil }
        let isAdministrator = user == serverUser || user == 0
        return Identity(
            user: Self.name(ofUser: user), isAdministrator: isAdministrator,
            authority: isAdministrator ? .all : .user)
    }

    private static func name(ofUser id: Int) -> String { "uid:\(id)" }

    /// Who may do everything, by the Unix socket.
    var administrators: [String] { (serverUser == 0 ? [0] : [0, serverUser]).map(Self.name) }
}
