/// All that can happen to the broker, as data: it can be logged, generated, and replayed.
package enum Command: Sendable {
    /// A channel begins, or more became known about it.
    case attach(ChannelID, ChannelInfo)
    /// A channel has ended. Its consumers end with it, and what it holds goes back.
    case detach(ChannelID)
    /// A client wants something. Requests of a channel are answered in their order.
    case request(ChannelID, RequestID, Request)
    /// What was sent to the channel has left: there is room for another window of deliveries.
    case windowOpened(ChannelID)
    /// The store says that batches up to this one are durable.
    case committed(BatchNumber)
    /// What an ``Effect/read(_:)`` asked for.
    case loaded(ReadResult)
    case loadFailed(ReadRequest, reason: String)
    /// The store has no room (why), or has found some again (nil).
    case storageBlocked(String?)
    /// Time has passed; nothing else happened.
    case tick
}

/// What a client can ask for.
package enum Request: Sendable {
    case publish(Publish)
    case declareQueue(name: String)
    case declareTopic(name: String)
    case declareExchange(name: String, kind: ExchangeDefinition.Kind)
    case deleteQueue(name: String)
    case deleteTopic(name: String)
    case deleteExchange(name: String)
    case bind(BindingDefinition)
    case unbind(BindingDefinition)
    case purge(name: String)
    case consume(Consume)
    case grant(ConsumerTag, count: Int)
    case cancel(ConsumerTag)
    case settle(first: DeliveryTag, last: DeliveryTag, Settlement)
    case get(name: String, isAutoAck: Bool)
    case peek(name: String, from: Offset, count: Int)
    case commitOffset(topic: String, group: String, next: Offset)
    case list(Listing)
    case statistics
    /// Answered when everything before it is done.
    case barrier
    /// The client asked for something that the session itself refuses; here only so that it is answered in its turn.
    case refuse(BrokerRefusal)
}

/// An error that a session found by itself, in the words of its protocol.
package struct BrokerRefusal: Error, Equatable, Sendable {
    package var code: String
    package var isRetryable: Bool
    package var sentence: String

    package init(code: String, isRetryable: Bool = false, sentence: String) {
        self.code = code
        self.isRetryable = isRetryable
        self.sentence = sentence
    }
}

/// One or more messages for one place. All of them are in the store after a crash, or none.
package struct Publish: Sendable {
    package var exchange: String
    package var routingKey: String
    /// Whether a message that leads nowhere is refused rather than dropped.
    package var isMandatory: Bool
    package var message: Message
    /// The messages after the first.
    package var more: [Message]

    package init(
        exchange: String = "", routingKey: String, isMandatory: Bool = true, message: Message, more: [Message] = []
    ) {
        self.exchange = exchange
        self.routingKey = routingKey
        self.isMandatory = isMandatory
        self.message = message
        self.more = more
    }

    /// What one copy of it counts. Bytes.
    package var byteCount: Int { more.reduce(message.byteCount) { $0 + $1.byteCount } }
}

package struct Consume: Equatable, Sendable {
    package enum Flow: Equatable, Sendable {
        /// At most so many messages handed out and not yet settled.
        case prefetch(Int)
        /// So many messages, and more when they are granted.
        case credit(Int)
    }

    /// Where reading a topic begins.
    package enum Position: Equatable, Sendable {
        case first
        case last
        case next
        case offset(Offset)
    }

    package var name: String
    package var consumer: ConsumerTag
    package var flow: Flow
    package var isAutoAck: Bool
    /// For topics only; nil if not given.
    package var position: Position?
    /// For topics only.
    package var group: String?

    package init(
        name: String, consumer: ConsumerTag, flow: Flow, isAutoAck: Bool = false, position: Position? = nil,
        group: String? = nil
    ) {
        self.name = name
        self.consumer = consumer
        self.flow = flow
        self.isAutoAck = isAutoAck
        self.position = position
        self.group = group
    }
}

/// What becomes of a message that was handed out.
package enum Settlement: Sendable {
    /// Done: it is not needed any more.
    case acknowledge
    /// Back to its place, for whoever comes next.
    case release
    /// Not to be delivered again.
    case reject
}

/// Who is behind a channel, for people who look.
package struct ChannelInfo: Equatable, Sendable {
    package var protocolName: String
    package var peer: String
    package var user: String
    package var client: String
    package var processID: Int?
    package var userID: Int?
    package var since: Timestamp

    package init(
        protocolName: String, peer: String, user: String, client: String = "", processID: Int? = nil,
        userID: Int? = nil, since: Timestamp = Timestamp(0)
    ) {
        self.protocolName = protocolName
        self.peer = peer
        self.user = user
        self.client = client
        self.processID = processID
        self.userID = userID
        self.since = since
    }
}
