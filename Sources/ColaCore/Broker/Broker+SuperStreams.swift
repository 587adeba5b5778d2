internal import OrderedCollections

// Topics with several partitions as clients of AMQP see them: an exchange of the topic's name, and a stream
// `TOPIC-NUMBER` for each partition. Nothing is stored for that: where no queue, topic or exchange has a name, it is
// asked whether it is one of these.
extension Broker {
    /// Says what there is of one partition.
    func look(_ partition: Partition, _ id: RequestID, for channel: Channel) {
        relyOnDefinitions(channel)
        respond(channel, id, .declared(messages: partition.log.messages, consumers: partition.readerCount))
    }

    /// Why a topic with so many partitions cannot have the name: one that it would have besides is taken.
    func collision(ofSuperStream name: String, partitions count: Int, in host: VirtualHost) -> BrokerError? {
        if host.router.exchanges[name] != nil {
            return .mismatch(
                "a topic with several partitions is an exchange as well, and there is one named '\(name)'; choose "
                    + "another name, or delete the exchange first")
        }
        for number in 0..<count {
            guard let taken = host.router.destination(named: "\(name)-\(number)") else { continue }
            return .mismatch(
                "partition \(number) of topic '\(name)' would be '\(taken.name)', and there is a "
                    + "\(taken.isQueue ? "queue" : "topic") of that name; choose another name, or delete that first")
        }
        return nil
    }

    /// The exchange that the topic is, is declared again.
    func declare(
        _ definition: ExchangeDefinition, isPassive: Bool, as topic: Topic, _ id: RequestID, for channel: Channel
    ) {
        let own = ExchangeDefinition(host: topic.host.name, name: topic.name, kind: .superStream)
        if !isPassive, let difference = own.difference(from: definition) {
            return refuse(channel, id, .mismatch("\(difference); \(topic.superStreamSentence); choose another name"))
        }
        relyOnDefinitions(channel)
        respond(channel, id, .done)
    }

    /// A client that binds each partition by its number, as it would to RabbitMQ's exchange type, finds it so.
    func bind(
        _ binding: BindingDefinition, of topic: Topic, _ id: RequestID, for channel: Channel, in host: VirtualHost
    ) {
        guard binding.target == .queue,
            case .partition(let found)? = host.router.destination(named: binding.destination),
            found.topic === topic, binding.routingKey == "\(found.number)"
        else { return refuse(channel, id, .mismatch(topic.bindingSentence)) }
        relyOnDefinitions(channel)
        respond(channel, id, .done)
    }
}

// What RabbitMQ says to consumers of streams and of queues that take the one for the other.
extension Broker {
    /// Nil if a client of RabbitMQ may consume a stream so.
    ///
    /// Source: RabbitMQ 3.10.8, `rabbit_stream_queue:consume/3`, and what a server answers
    func streamError(_ consume: Consume, of topic: Topic, for channel: Channel) -> BrokerError? {
        let queue = "queue '\(consume.name)' in vhost '\(topic.host.name)'"
        if consume.priority != 0 {
            return .mismatch("invalid arg 'x-priority' for \(queue) of queue type rabbit_stream_queue")
        }
        if case .prefetch(.max) = consume.flow {
            return .mismatch("consumer prefetch count is not set for '\(queue)'; set it with basic.qos")
        }
        if consume.isAutoAck {
            return .unsupported("automatic acknowledgement not supported by stream queues \(queue)")
        }
        return channel.prefetch == nil ? nil : .unsupported("\(queue) does not support global qos")
    }

    func streamArgument(_ argument: String, of queue: Queue) -> BrokerError {
        let type = queue.definition.arguments.queueType ?? .classic
        return .mismatch(
            "invalid arg '\(argument)' for queue '\(queue.name)' in vhost '\(queue.host.name)' of queue type "
                + "rabbit_\(type.rawValue)_queue")
    }
}

extension Topic {
    /// What it is, for those who take it for an exchange like others.
    var superStreamSentence: String { "'\(name)' is a topic with \(partitions.count) partitions" }

    var bindingSentence: String {
        "\(superStreamSentence), and leads to these alone, by the hash of the routing key; bind to another exchange"
    }
}

extension BrokerError {
    /// In RabbitMQ's words, which its clients look at.
    static func notOfStreams(_ method: String, _ name: String, in host: String) -> BrokerError {
        .unsupported("\(method) not supported by stream queues queue '\(name)' in vhost '\(host)'")
    }
}
