/// Which of the sockets that were handed over is whose.
///
/// A unit that names a socket after a setting says it. Without a name the address does: a path is `socket`, a port is
/// that of the listener which is set to it.
struct InheritedSockets: Sendable {
    private(set) var rest: [InheritedSocket]

    init(_ sockets: [InheritedSocket]) { rest = sockets }

    /// Takes those of a listener on TCP; empty: it has to bind for itself.
    mutating func take(_ setting: String, port: Int) -> [InheritedSocket] {
        take(where: { socket in
            guard case .port(_, let bound) = socket.place else { return false }
            return socket.name == setting || (!Self.settings.contains(socket.name) && bound == port)
        })
    }

    /// Takes that of the Unix socket, if there is one.
    mutating func takeUnixSocket() -> InheritedSocket? {
        guard let index = rest.firstIndex(where: { if case .path = $0.place { true } else { false } }) else {
            return nil
        }
        return rest.remove(at: index)
    }

    /// - Throws: `Server.Failure` with exit code 64: nobody serves one of them, so that who connects would wait for
    ///   ever.
    func expectNone() throws(Server.Failure) {
        guard let socket = rest.first else { return }
        let advice =
            Self.settings.contains(socket.name)
            ? "set \(socket.name) to where it listens"
            : "set a listener to it (native, amqp, amqps, kafka or socket), name it after one with FileDescriptorName="
        throw Server.Failure(
            exitCode: 64,
            description: "the service manager handed over a socket at \(socket.address), for which no listener is set; "
                + "\(advice), or take it out of the socket unit")
    }

    private static let settings: Set = ["socket", "native", "amqp", "amqps", "kafka"]

    private mutating func take(where isTaken: (InheritedSocket) -> Bool) -> [InheritedSocket] {
        let taken = rest.filter(isTaken)
        rest.removeAll(where: isTaken)
        return taken
    }
}
