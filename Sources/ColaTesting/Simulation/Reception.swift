internal import ColaNative

/// One message that a client got from a queue, and what became of it.
final class Reception {
    typealias Settlement = ClientRequest.Acknowledgement

    let link: Int
    /// The server's life in which it was sent.
    let life: Int
    /// When the server wrote it to its socket. Nanoseconds.
    let time: Int64
    /// Nil where the protocol does not say it.
    let offset: Int64?
    /// Whether it says that it may have been handed out before.
    let isRedelivered: Bool
    /// How often it came back, as it says itself; nil where the protocol does not say it.
    let failures: Int64?
    let isAutoAck: Bool
    /// Whether it came in an answer, which may have waited for a commit: then it was handed out before `time`.
    let isAnswer: Bool
    /// Which consumer got it: its link or channel, and number; the number is 0 for a get.
    var consumer: [Int64] = []
    /// Why and where it died last, if it did.
    var death: String?
    var deathPlace: String?
    /// The message and its place, as the ledger counts them.
    var message = 0
    var place = 0
    private(set) var settlement: Settlement?
    /// When the client sent that.
    private(set) var settledAt: Int64?
    /// When an answer stood for it: from then on it is on the disk.
    var certainAt: Int64?

    init(
        link: Int, life: Int, time: Int64, offset: Int64?, isRedelivered: Bool, failures: Int64?, isAutoAck: Bool,
        isAnswer: Bool
    ) {
        self.link = link
        self.life = life
        self.time = time
        self.offset = offset
        self.isRedelivered = isRedelivered
        self.failures = failures
        self.isAutoAck = isAutoAck
        self.isAnswer = isAnswer
    }

    func settle(_ settlement: Settlement, at time: Int64) {
        self.settlement = settlement
        settledAt = time
    }

    /// What the client said was not done.
    func unsettle() {
        settlement = nil
        settledAt = nil
    }

    /// Whether the client said that it is done with the message.
    var isDone: Bool { isAutoAck || settlement == .ack || settlement == .reject }
}
