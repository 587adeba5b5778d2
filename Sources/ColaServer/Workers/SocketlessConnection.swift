/// A channel of the broker that is in its own process: what only a socket would do, it does not.
protocol SocketlessConnection: Connection {}

extension SocketlessConnection {
    var inputBytes: Int { 0 }
    func flush() {}
    func hold() {}
    func release() {}
    func giveUp() {}
    func peerProceeds() {}
    func stop() {}
}
