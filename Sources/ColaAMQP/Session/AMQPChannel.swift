internal import ColaCore
internal import DequeModule

/// One channel of a connection: what it was asked for, and what it has to answer.
final class AMQPChannel {
    enum State {
        case open
        /// It did something wrong; the error is said when what was asked before is answered.
        case failing
        /// The client ends it, and what was asked before is still being answered.
        case leaving
        /// The error was said; the client has to confirm that it heard.
        case closing
    }

    /// What is confirmed or undone, and when.
    enum Mode {
        case plain
        /// Every publish is answered.
        case confirming
        /// Publishes and acknowledgements wait for `tx.commit`.
        case transactional
    }

    let number: UInt16
    let id: ChannelID
    var state = State.open
    /// Whether `connection.close-ok` waits for it.
    var owesFarewell = false
    /// Of a channel that fails: the client has said that it leaves as well.
    var isLeftByPeer = false
    var mode = Mode.plain
    /// Requests that are not answered yet, in their order.
    var pending: Deque<PendingAnswer> = []
    /// The number of the last publish that is to be confirmed.
    var lastPublish: UInt64 = 0
    /// Confirms that wait to be merged with the next.
    var unwrittenAcks: ClosedRange<UInt64>?
    /// What waits for `tx.commit`.
    var transaction: [(RequestID, Request)] = []
    var transactionBytes = 0
    /// The tag of the delivery that was written last.
    var lastDelivery = DeliveryTag(0)
    /// Of the consumers that come; 0: any number.
    var prefetch: UInt16 = 0
    /// Its consumers by what the client calls them.
    var tags: [String: ConsumerTag] = [:]
    var consumers: [ConsumerTag: AMQPConsumer] = [:]
    var lastConsumer: UInt64 = 0
    /// The queue that was declared last: where none is named, it is meant.
    var lastQueue: String?
    /// The queue that stands for `amq.rabbitmq.reply-to`, if the channel consumes that.
    var replyQueue: String?
    var replyConsumer: ConsumerTag?
    /// Consumers of queues that the channel itself deletes: they are cancelled behind the answer to that.
    var cancelledLater: [String] = []
    /// A publish that is not whole yet.
    var content: IncomingContent?

    init(number: UInt16, id: ChannelID) {
        self.number = number
        self.id = id
    }

    /// Whether what comes is still done.
    var isReading: Bool { state == .open }

    /// Of the body that is being put together.
    var bodyBytes: Int { content?.body.count ?? 0 }

    /// How much of it has still to come; nil if none is expected.
    var missingBytes: Int? {
        guard let content, content.hasHeader else { return nil }
        return content.bodySize - content.body.count
    }

    /// Whether it has asked for the queue to be deleted, and was not answered.
    func isDeleting(_ queue: [UInt8]) -> Bool {
        pending.contains {
            if case .delete(let name, _) = $0.kind { name.utf8.elementsEqual(queue) } else { false }
        }
    }

    /// It is over: nothing that comes for it concerns anybody.
    func drop() {
        state = .closing
        content = nil
        pending = []
        transaction = []
    }
}

/// A consumer as its client knows it.
struct AMQPConsumer {
    var tag: [UInt8]
    var queue: [UInt8]
    /// Known when the broker has taken it.
    var kind = QueueKind.classic

    init(tag: String, queue: String) {
        self.tag = Array(tag.utf8)
        self.queue = Array(queue.utf8)
    }
}

/// What is to be said when a request has been answered by the broker.
struct PendingAnswer {
    enum Kind {
        /// This, or nothing.
        case method(Method?)
        case declare(queue: String, isSilent: Bool)
        case delete(queue: String, isSilent: Bool)
        case purge(isSilent: Bool)
        case get(queue: String)
        case consume(ConsumerTag, Method?)
        case cancel(ConsumerTag, Method?)
        case commit
        /// The session itself refuses.
        case fail(ProtocolError)
        case close
    }

    var kind: Kind
    var method: MethodID
}

/// A publish that is being put together.
struct IncomingContent {
    var target: PublishTarget
    var isMandatory: Bool
    /// Nil as long as the content header has not come.
    var properties: ArraySlice<UInt8>?
    /// What it says of itself. Bytes.
    var bodySize = 0
    var body: [UInt8] = []

    var hasHeader: Bool { properties != nil }
}

/// Where a publish goes, as it stands on the wire and as text. Most clients publish to one place for long.
struct PublishTarget {
    /// Exchange and routing key as two short strings.
    var raw: [UInt8] = [0, 0]
    var exchange = ""
    var routingKey = ""
}
