/// What a client can ask for.
///
/// What is asked for seldom and takes more room than a message is stored apart: every message passes through here, and
/// each of its steps moves as much as the largest case has.
package enum Request: Sendable {
    case publish(Publish)
    indirect case declareQueue(QueueDeclaration)
    /// `partitions`: nil where it is not said, which is one for a new topic.
    indirect case declareTopic(name: String, partitions: Int?, Arguments)
    indirect case declareExchange(ExchangeDeclaration)
    /// Makes it, or changes what is said of it.
    indirect case declareVirtualHost(name: String, VirtualHostChange = VirtualHostChange())
    case deleteQueue(name: String, ifUnused: Bool, ifEmpty: Bool)
    case deleteTopic(name: String)
    case deleteExchange(name: String, ifUnused: Bool)
    case deleteVirtualHost(name: String)
    case deleteGroup(topic: String, group: String)
    /// Changes the arguments of a queue or topic: those of `set`, and none any more for those of `clear`.
    indirect case alter(name: String, set: Arguments, clear: [Argument])
    indirect case setUser(UserChange)
    case deleteUser(name: String)
    indirect case setPermission(PermissionDefinition)
    case clearPermission(user: String, host: String)
    indirect case setTopicPermission(TopicPermissionDefinition)
    /// `exchange`: nil: for all of them.
    case clearTopicPermission(user: String, host: String, exchange: String?)
    indirect case setPolicy(PolicyDefinition)
    case clearPolicy(name: String)
    case bind(BindingDefinition)
    case unbind(BindingDefinition)
    case purge(name: String)
    /// Moves messages out of a queue that collects dead or parked ones: each to the queue it died in, or all to
    /// `target`; those that fit the filter, at most `count` of them, `rate` in a second.
    case redrive(name: String, target: String?, count: Int?, filter: DeathFilter = DeathFilter(), rate: Int? = nil)
    case consume(Consume)
    case grant(ConsumerTag, count: Int)
    case cancel(ConsumerTag)
    /// How many messages that are not settled the consumers of the channel may have, nil: any number. All together, or
    /// each of those that are there.
    case prefetch(Int?, PrefetchScope)
    /// All that the channel holds goes back, but for what is reserved.
    case recover
    /// These deliveries are to be settled by a transaction that is still being put together, and by nothing else.
    ///
    /// `isLastNamed`: the last of them must be one that is held and not reserved.
    case reserve(first: DeliveryTag, last: DeliveryTag, isLastNamed: Bool)
    /// There will be no transaction: what was reserved for it is held as before.
    case rollback
    /// All of these publishes and settlements or, if one of them cannot be, none. Each has its own answer as well. The
    /// deliveries that they settle are reserved.
    indirect case transaction([(RequestID, Request)])
    /// Answered if the virtual host of the channel is there and it may be in it.
    case enter
    /// Moves a reader of a topic; all of its partitions if none is named.
    case seek(ConsumerTag, partition: Int?, Consume.Position)
    case settle(first: DeliveryTag, last: DeliveryTag, Settlement)
    case get(name: String, isAutoAck: Bool)
    /// `priority`: of a queue, the one that `from` is an offset of, and from which on it is looked down; nil: the
    /// highest where `from` is 0, else 0.
    case peek(name: String, partition: Int, priority: UInt8? = nil, from: Offset, count: Int)
    case commitOffset(topic: String, partition: Int, group: String, next: Offset)
    indirect case topic(TopicRequest)
    indirect case group(GroupRequest)
    case list(Listing)
    case describe(Subject)
    /// Why the messages of a queue wait, or the one with that offset among those of its priority.
    case why(name: String, Offset?, priority: UInt8 = 0)
    case statistics
    case backUp(BackupOrder)
    /// For administrators; whoever takes the request sees to that.
    case workers(WorkerRequest)
    /// Answered when everything before it is done.
    case barrier
    /// The client asked for something that the session itself refuses; here only so that it is answered in its turn.
    case refuse(BrokerRefusal)
}

/// What a number of unsettled messages is meant of.
package enum PrefetchScope: Equatable, Sendable {
    /// Of the consumers of a channel together.
    case channel
    /// Of each consumer that the channel has.
    case eachConsumer
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

package struct QueueDeclaration: Equatable, Sendable {
    /// Empty: the broker chooses one, for a queue that is new.
    package var name: String
    package var arguments: Arguments
    /// Whether it is there after a restart, with its messages.
    package var isDurable: Bool
    /// Whether it belongs to the connection that declares it, and ends with it.
    package var isExclusive: Bool
    /// Whether it goes when its last consumer has gone.
    package var isAutoDelete: Bool
    /// Whether nothing is made: the answer says what there is. Topics count as well then.
    package var isPassive = false
    /// Whether its name may be one of those that are kept for the broker's own: a session has chosen it.
    package var mayBeReserved = false
    /// Whether it is where its connection waits for answers, which everybody may.
    package var isOfAnswers = false

    package init(
        name: String, arguments: Arguments = Arguments(), isDurable: Bool = true, isExclusive: Bool = false,
        isAutoDelete: Bool = false
    ) {
        self.name = name
        self.arguments = arguments
        self.isDurable = isDurable
        self.isExclusive = isExclusive
        self.isAutoDelete = isAutoDelete
    }
}

/// What becomes of a message that was handed out.
package enum Settlement: Equatable, Sendable {
    /// Done: it is not needed any more.
    case acknowledge
    /// Back to the queue: when and how often, its ``Arguments/retry`` says; without one at once, to its place.
    case retry
    /// Back to its place, for whoever comes next.
    case release
    /// Back to the queue, after so many milliseconds: at its end then.
    case releaseLater(milliseconds: Int64)
    /// A worker could not do it.
    case failed(Attempt, Consequence)
    /// Not to be delivered again: to the dead-letter target, if the queue has one.
    case reject

    /// What it is counted as.
    var end: Attempt.End {
        switch self {
        case .acknowledge: .acknowledged
        case .retry, .release, .releaseLater: .returned
        case .failed(let attempt, _): attempt.end
        case .reject: .rejected
        }
    }
}
