internal import OrderedCollections

/// A topic: logs that keep their records, one for each partition, and readers each at offsets of its own.
final class Topic {
    var definition: TopicDefinition
    let host: VirtualHost
    private(set) var partitions: [Partition] = []
    /// Its own arguments, and what policies add to them.
    var arguments: Arguments
    /// The policy that counts for it.
    var policy: String?
    var readers: [Consumer] = []
    var isDeleted = false
    var groups: OrderedDictionary<String, ConsumerGroup> = [:]
    /// The message ids it remembers, if it has a deduplication window.
    var seen: SeenIDs?
    /// Where the next record without a key goes.
    var nextPartition = 0
    var published = 0
    var trimmed = 0
    var compacted = 0

    init(definition: TopicDefinition, host: VirtualHost, logs: [Log]) {
        self.definition = definition
        self.host = host
        arguments = definition.arguments
        partitions = logs.enumerated().map { Partition(number: $0, log: $1, of: self) }
    }

    var name: String { definition.name }

    var messages: Int { partitions.reduce(0) { $0 + $1.log.messages } }

    /// Whether each of its partitions has a name of its own and it is an exchange besides: to clients of AMQP it is
    /// what RabbitMQ calls a super stream.
    var isSuperStream: Bool { partitions.count > 1 }

    /// The message as it is put there. What was published to the topic as to an exchange, and has no key, has its
    /// routing key as the key, so that it is where the same key leads to in every protocol.
    func keyed(_ message: Message, exchange: String, routingKey: String) -> Message {
        guard message.key == nil, exchange == name, isSuperStream, !routingKey.isEmpty else { return message }
        var message = message
        message.key = Array(routingKey.utf8)[...]
        return message
    }

    /// The partition of a message: the one that was asked for, the one of its key, or the next in turn.
    ///
    /// - Returns: nil if there is no such partition.
    func partition(of message: Message, asked: Int?) -> Partition? {
        if let asked { return asked < partitions.count ? partitions[asked] : nil }
        if partitions.count == 1 { return partitions[0] }
        if let key = message.key { return partitions[Murmur2.partition(ofKey: key, count: partitions.count)] }
        defer { nextPartition = (nextPartition + 1) % partitions.count }
        return partitions[nextPartition]
    }
}
