internal import NIOCore

/// What a client says and hears over one link, in whatever protocol.
protocol Conversation: AnyObject {
    var link: Link { get }
    /// Whether all that it asked is answered.
    var isIdle: Bool { get }
    /// Whether the server has said that publishers are held back (G11).
    var isBlocked: Bool { get }
    var mayAct: Bool { get }

    func begin()
    func receive(_ bytes: ByteBuffer, writtenAt: Int64)
    /// No more is asked; one last answer stands for all before it.
    func finish()
    /// The link is gone.
    func end()
    func complainAboutPending()
}

extension ClientSession: Conversation {}
extension AMQPClientSession: Conversation {}
