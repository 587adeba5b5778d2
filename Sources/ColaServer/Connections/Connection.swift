internal import ColaCore

/// What the broker loop knows of a connection, whatever protocol it speaks. All calls are made on the loop.
protocol Connection: AnyObject {
    var id: ChannelID { get }
    var isFlushPending: Bool { get set }
    /// Of one that has ended: whether it did so without a word.
    var isLost: Bool { get }
    /// An effect that names this connection; what it makes of it is written at the next `flush`.
    func handle(_ effect: Effect)
    func flush()
    /// What was found of the name and password that it has shown.
    func authenticated(_ outcome: Authentication)
    /// What it has received of a request that is not whole yet. Bytes.
    var inputBytes: Int { get }
    /// Stops reading, until `release`.
    func hold()
    func release()
    /// Tell the loop (`windowOpened`) as soon as the socket has taken most of what was written.
    func reportWhenWritable()
    /// Its unfinished request is in the way of others and does not go on: say so, and close.
    func giveUp()
    /// Nobody wants it any more: say why, and close.
    func dismiss(because sentence: String)
    /// Whatever the peer sends before its end is read, also if the socket fails first.
    func keepLastWords()
    /// Its process was halted, and goes on: that nothing was received meanwhile says nothing.
    func peerProceeds()
    /// The server is stopping: say so, and close.
    func stop()
}

extension Connection {
    func authenticated(_ outcome: Authentication) {}
    func dismiss(because sentence: String) {}
    func keepLastWords() {}
    /// What has no socket is ended by the server itself.
    var isLost: Bool { false }
}
