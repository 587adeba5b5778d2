/// What the broker wants done. Whatever comes out of `apply` may be done at once: effects that must wait for a commit
/// are kept inside until the store has reported it.
package enum Effect: Sendable {
    /// The answer to a request.
    case reply(ChannelID, RequestID, Reply)
    case deliver(ChannelID, ConsumerTag, Delivery)
    /// Something befell a consumer: it was ended by the broker, or messages that it would have got are damaged.
    case consumerFailed(ChannelID, ConsumerTag, BrokerError)
    /// The connection ends: it is told why.
    case dismiss(ChannelID, Dismissal)
    /// Publishers are held back (why), or are not any more (nil). For every channel.
    case blocked(String?)
    /// Nothing more is delivered to the channels of the connection until ``Command/windowOpened(_:)`` says that its
    /// socket has taken this.
    case windowFull(ChannelID)
    /// Ask the store; the answer comes back as ``Command/loaded(_:)``.
    case read(ReadRequest)
    /// Ask the store for chunks as they are stored; they come back as ``Command/fetched(_:)``.
    case fetch(ReadRequest)
    /// Ask the store; the answer comes back as ``Command/answered(_:_:)``.
    case ask(Query)
    /// Have the store make a copy; how it went comes back as ``Command/backedUp(_:)``. One at a time.
    case backUp(BackupOrder)
    /// Nobody wants the copy any more. How it ended comes back all the same.
    case cancelBackup
    /// Ask whoever runs the workers; the answer comes back as ``Command/workersAnswered(_:_:_:)``.
    case workers(ChannelID, RequestID, WorkerRequest)
    /// Hash a new password; the hash comes back as ``Command/passwordHashed(_:_:_:)``.
    case hashPassword(ChannelID, RequestID, Secret)
    /// A member of a group reads these partitions from now on, and no others.
    case assigned(ChannelID, ConsumerTag, Assignment)
    /// A stored batch failed its check and was put aside. For the log.
    case damaged(LogID, name: String, String)
}

/// The answer to a request.
package enum Reply: Sendable {
    case done
    /// A queue or topic stands ready with so many messages.
    case declared(messages: Int, consumers: Int)
    /// The same of a queue whose name the broker chose.
    case named(String)
    /// The message was taken before, and not again.
    case duplicate
    /// By which a connection is known as one of a worker's process.
    case token(String)
    /// A copy of everything was made, of so many bytes.
    case backedUp(bytes: Int)
    /// So many messages went.
    case removed(messages: Int)
    /// One message that was asked for, and what can be said of its queue.
    case message(Delivery, of: QueueState)
    /// A consumer of a strict channel has begun.
    case consuming(from: QueueKind)
    /// The message leads nowhere, and a strict channel gets it back.
    indirect case returned(Publish)
    case empty
    /// `next`: where the next look begins, if there may be more.
    case peeked([Delivery], next: PeekPosition?)
    indirect case topic(TopicReply)
    indirect case group(GroupReply)
    /// A listing, sorted by name.
    case rows([Description])
    case description(Description)
    case refused(BrokerError)
    case refusedBySession(BrokerRefusal)
}

/// What a message was taken from, as AMQP tells queues apart.
package enum QueueKind: Equatable, Sendable {
    case classic
    case quorum
    /// A topic.
    case stream
}

/// A queue, as one sees it who takes a message.
package struct QueueState: Equatable, Sendable {
    package var kind: QueueKind
    /// Messages that wait.
    package var ready: Int

    package init(kind: QueueKind = .classic, ready: Int = 0) {
        self.kind = kind
        self.ready = ready
    }
}

/// A place in a queue or partition, between two messages.
package struct PeekPosition: Equatable, Sendable {
    /// Of a queue: the priority that the offset is one of. 0 in a topic.
    package var priority: UInt8
    package var offset: Offset

    package init(priority: UInt8, offset: Offset) {
        self.priority = priority
        self.offset = offset
    }
}

/// One message on its way to a consumer.
package struct Delivery: Sendable {
    /// 0 where there is nothing to acknowledge: it was with automatic acknowledgement, or only looked at.
    package var tag: DeliveryTag
    /// Nil: never handed out before. Otherwise how many deliveries are known to have ended without an acknowledgement.
    package var redelivered: Int?
    /// Of a topic: which of its partitions; 0 otherwise.
    package var partition: Int = 0
    /// Names its parts in `data`.
    package var entry: RecordSegment.Entry
    package var data: [UInt8]

    package init(tag: DeliveryTag, redelivered: Int?, partition: Int = 0, entry: RecordSegment.Entry, data: [UInt8]) {
        self.tag = tag
        self.redelivered = redelivered
        self.partition = partition
        self.entry = entry
        self.data = data
    }
}

/// What a member of a consumer group has to read.
package struct Assignment: Equatable, Sendable {
    /// Grows with every change of the group.
    package var generation: Int
    /// Sorted; each with the offset that reading begins at.
    package var partitions: [Position]

    package struct Position: Equatable, Sendable {
        package var partition: Int
        package var next: Offset

        package init(partition: Int, next: Offset) {
            self.partition = partition
            self.next = next
        }
    }

    package init(generation: Int, partitions: [Position]) {
        self.generation = generation
        self.partitions = partitions
    }
}
