internal import ColaCore
internal import ColaNative
internal import NIOCore

/// A protocol as a machine: bytes and effects in, commands and bytes out. It knows no socket and no clock.
protocol Session {
    var commands: [Command] { get set }
    var output: ByteBuffer { get set }
    /// A name and a password to be looked at: whoever takes them answers with `authenticated`, and meanwhile reads
    /// nothing more from the peer.
    var credentials: Credentials? { get set }
    /// What was received of a request that is not whole yet. Bytes.
    var inputBytes: Int { get }
    /// Whether the connection is to be closed once `output` has been sent.
    var isClosed: Bool { get }
    /// Whether the client has said that it leaves.
    var hasQuit: Bool { get }
    /// Of a closed session: nobody is there to read what is left to say.
    var isPeerGone: Bool { get }
    var nextDeadline: Instant? { get }

    mutating func receive(_ bytes: inout ByteBuffer, at now: Instant)
    /// The client will send nothing more: answer what is outstanding, then close.
    mutating func receiveEnd()
    /// What was found of the `credentials` that were taken.
    mutating func authenticated(_ outcome: Authentication)
    mutating func handle(_ effect: Effect)
    mutating func flush()
    mutating func didSend(at now: Instant)
    /// Makes what holds an unfinished request small again, if it is mostly empty and larger than this. Bytes.
    mutating func shrinkInput(above bytes: Int)
    /// The owner did not read: that nothing was received says nothing about the peer.
    mutating func excuseSilence(at now: Instant)
    mutating func tick(at now: Instant)
    mutating func close(code: String, sentence: String)
}

extension NativeSession: Session {
    /// It has a last word for everybody.
    var isPeerGone: Bool { false }
}
