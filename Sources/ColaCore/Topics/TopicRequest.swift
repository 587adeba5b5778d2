/// What a client asks for of the logs of topics themselves: to append whole batches, to have them as they are stored,
/// and to know where things are.
///
/// Each request may be about many partitions and each of those has an answer, or a refusal, of its own.
package enum TopicRequest: Sendable {
    /// Appends batches of a producer, which may belong to its transaction.
    case produce([ProducedBatch], transactionalID: String?)
    /// Batches as they are stored; waits for them if it is told to.
    case fetch(Fetch)
    /// Where records of a time are, or the ends of a log.
    case locate([LogPlace])
    /// What there is of topics. Nil: of all that the channel's user may know of. Those that are named and not there
    /// are made with so many partitions, if it is said how many.
    case topics([String]?, partitionsIfNew: Int?)
    /// Makes topics. `isTrial`: says only whether they could be made.
    case create([TopicCreation], isTrial: Bool)
    case delete([String])
    /// An id for a producer, which no other ever had.
    case newProducer
    /// By whom: a member of the group, or nobody in it.
    case commitOffsets(group: String, GroupCoordinator.Identity, [GroupPosition])
    /// What groups have committed. `mustBeStable`: where a transaction may change that, it is said instead.
    case committedOffsets([GroupPlaces], mustBeStable: Bool)
    case transaction(TransactionRequest)
}

/// The answer to a ``TopicRequest``, in its order.
package enum TopicReply: Sendable {
    case produced([Result<ProducedPlace, TopicRefusal>])
    case fetched([FetchedPart])
    case located([Result<LocatedRecord, TopicRefusal>])
    case topics([TopicOutline])
    case created([Result<TopicOutline, TopicRefusal>])
    case deleted([Result<Void, TopicRefusal>])
    case producer(Result<ProducerIdentity, TransactionError>)
    /// Partitions, or a group, are part of a transaction, in the order of the request.
    case added([Result<Void, TopicRefusal>])
    case ended(Result<Void, TransactionError>)
    case committed([Result<Void, TopicRefusal>])
    case offsets([[GroupPosition]])
}

/// What a producer asks of the coordinator of transactions.
///
/// Source: KIP-98
package enum TransactionRequest: Sendable {
    /// `expected`: what the producer believes that it is.
    case begin(id: String, timeoutMilliseconds: Int64, expected: ProducerIdentity?)
    case addPartitions([TopicPartition], id: String, ProducerIdentity)
    case addGroup(String, id: String, ProducerIdentity)
    case end(id: String, ProducerIdentity, isCommit: Bool)
    /// Where the group reads on if the transaction is committed.
    case commitOffsets(group: String, GroupCoordinator.Identity, [GroupPosition], id: String, ProducerIdentity)
}

/// A topic that is to be made.
package struct TopicCreation: Sendable {
    package var name: String
    package var partitions: Int
    package var arguments: Arguments

    package init(name: String, partitions: Int, arguments: Arguments = Arguments()) {
        self.name = name
        self.partitions = partitions
        self.arguments = arguments
    }
}

/// Where somebody wants to know what a group has committed.
package struct GroupPlaces: Equatable, Sendable {
    package var group: String
    /// Nil: everywhere.
    package var places: [TopicPartition]?

    package init(group: String, places: [TopicPartition]?) {
        self.group = group
        self.places = places
    }
}

/// One batch for one partition, as its producer sent it.
package struct ProducedBatch: Sendable {
    package var place: TopicPartition
    package var data: [UInt8]

    package init(place: TopicPartition, data: [UInt8]) {
        self.place = place
        self.data = data
    }
}

/// Where a batch was put.
package struct ProducedPlace: Equatable, Sendable {
    /// The offset of its first record.
    package var base: Offset
    /// The first record that is still there.
    package var start: Offset

    package init(base: Offset, start: Offset) {
        self.base = base
        self.start = start
    }
}

/// Why something was not done to one partition, or not said of it.
package enum TopicRefusal: Error, Equatable, Sendable {
    case broker(BrokerError)
    /// The batch is not one that can be taken.
    case batch(RecordBatch.ProducedBatchError)
    /// The batch does not follow those of its producer that are there.
    case producer(ProducerLedger.Refusal)
    /// More than the topic takes. Bytes.
    case tooLarge(bytes: Int, limit: Int)
    /// Whoever asked is not who he says in his group.
    case group(GroupError)
    /// The name is taken.
    case exists(String)
    /// There is no record at this offset any more, or not yet.
    case outOfRange
    case transaction(TransactionError)
    /// Another part of the same request was refused.
    case notAttempted
}

/// What there is of a topic, for clients that look for its partitions.
package struct TopicOutline: Equatable, Sendable {
    package var name: String
    package var partitions: Int
    /// Of its first partition: never given out again, so it names the topic among all there ever were.
    package var log: LogID
    package var arguments: Arguments
    /// Why there is nothing to say of it.
    package var refusal: BrokerError?

    package init(
        name: String, partitions: Int = 0, log: LogID = LogID(0), arguments: Arguments = Arguments(),
        refusal: BrokerError? = nil
    ) {
        self.name = name
        self.partitions = partitions
        self.log = log
        self.arguments = arguments
        self.refusal = refusal
    }
}

/// Where a group stands in one partition.
package struct GroupPosition: Equatable, Sendable {
    package var place: TopicPartition
    /// The offset it reads next; nil: it has committed none.
    package var next: Offset?
    /// The epoch of the leader that the last record came from; -1: not said.
    package var leaderEpoch: Int32
    /// What the member that committed it has to say of it.
    package var metadata: String
    /// Whether a transaction that is not decided may change it.
    package var isUndecided = false

    package init(place: TopicPartition, next: Offset?, leaderEpoch: Int32 = -1, metadata: String = "") {
        self.place = place
        self.next = next
        self.leaderEpoch = leaderEpoch
        self.metadata = metadata
    }
}
