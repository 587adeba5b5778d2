package import ColaCore
package import NIOCore

/// What a client asks, and how it is written: verb, words, tag, then options in the order of the specification.
///
/// Publishing in a loop has its own, faster way: ``PublishTemplate``.
///
/// Source: `protocol/native.md` section 3
package enum ClientRequest: Equatable, Sendable {
    package enum Acknowledgement: String, Sendable { case ack, nack, reject }

    /// How many messages may be on their way to a consumer.
    package enum Flow: Equatable, Sendable {
        /// So many handed out and not acknowledged.
        case prefetch(Int)
        /// So many now, more with `credit`.
        case credit(Int)
    }

    case hello(Hello)
    case ping
    case beat
    case quit
    case declareQueue(String, QueueOptions = QueueOptions())
    /// `partitions`: nil leaves it to the server, which makes one.
    case declareTopic(String, partitions: Int? = nil, arguments: [Pair] = [])
    /// `type` is `direct`, `fanout`, `topic` or `headers`.
    indirect case declareExchange(String, ExchangeOptions)
    /// `options` are those of the specification, in its order.
    case declareVirtualHost(String, options: [Pair] = [])
    /// `kind` is `queue`, `topic`, `exchange`, `vhost` or `user`.
    case delete(kind: String, name: String, ifUnused: Bool = false, ifEmpty: Bool = false)
    case deleteGroup(topic: String, group: String)
    case alter(String, set: [Pair], clear: [String] = [])
    case policy(Policy)
    case unpolicy(String)
    case user(String, options: [Pair])
    case permit(String, options: [Pair])
    case unpermit(String, options: [Pair])
    case bind(Binding)
    case unbind(Binding)
    case purge(String)
    case redrive(Redrive)
    /// Several messages in one request and one transaction.
    case publishBatch(
        routingKey: String, exchange: String?, isMandatory: Bool, properties: PublishProperties = PublishProperties(),
        bodies: [ByteBuffer])
    case consume(Consume)
    case credit(consumer: Int64, count: Int)
    case cancel(consumer: Int64)
    /// `to` is `first`, `last`, `next`, an offset, or `@` and milliseconds.
    case seek(consumer: Int64, to: String, partition: Int? = nil)
    /// `delay` is for `nack`. Milliseconds.
    case acknowledge(Acknowledgement, ClosedRange<Int64>, delay: Int64? = nil)
    /// An attempt that failed, and what becomes of the message.
    case fail(ClosedRange<Int64>, Attempt, Consequence)
    /// `ack` is `auto` or `manual`; nil leaves it to the server, which takes `auto`.
    case get(String, ack: String?)
    case peek(String, from: Int64?, count: Int?, partition: Int? = nil, priority: Int? = nil)
    case commit(topic: String, group: String, offset: Int64, partition: Int? = nil)
    /// `what` is `queues`, `topics`, `exchanges`, `bindings`, `consumers`, `connections`, `groups`, `policies`,
    /// `vhosts`, `users`, `password-hashes`, `permissions`, `topic-permissions`, `workers` or `processes`.
    case list(String)
    /// `kind` is `queue`, `topic`, `exchange`, `policy`, `vhost`, `user` or `worker`.
    case describe(kind: String, name: String)
    case describeGroup(topic: String, group: String)
    case why(String, offset: Int64? = nil, priority: Int? = nil)
    case stat
    /// `path` is absolute, and the server's.
    case backup(path: String, isFile: Bool = false, replaces: Bool = false)
    /// `target` is `NAME` or `NAME/INSTANCE`.
    case worker(WorkerOperation, target: String)
    case reload(isDryRun: Bool = false)
    case childToken
    case childEnded(processID: Int32, ChildEnd)
    case logs(Logs)

    package enum WorkerOperation: Equatable, Sendable {
        case start
        case stop
        case restart
        /// `max`: nil leaves it to the server, which takes `min`.
        case scale(min: Int, max: Int? = nil)
        case pause
        case resume
        /// `signal`: nil leaves it to the server, which ends the process by force.
        case kill(signal: String? = nil)
        case nice(Int)

        package var word: String {
            switch self {
            case .start: "start"
            case .stop: "stop"
            case .restart: "restart"
            case .scale: "scale"
            case .pause: "pause"
            case .resume: "resume"
            case .kill: "kill"
            case .nice: "nice"
            }
        }
    }

    /// How a process has ended.
    package enum ChildEnd: Equatable, Sendable {
        case code(Int32)
        /// By its name or number.
        case signal(String)
    }

    /// An argument, or a header that a binding asks for.
    package struct Pair: Equatable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package struct Hello: Equatable, Sendable {
        package var user: String?
        package var password: String?
        /// Of the process of a worker.
        package var token: String?
        package var virtualHost: String?
        package var client: String?
        /// Seconds; 0 is none.
        package var heartbeat = 0
        package var need: [String] = []

        package init() {}
    }

    package struct QueueOptions: Equatable, Sendable {
        package var isDurable = true
        package var isExclusive = false
        package var isAutoDelete = false
        package var arguments: [Pair] = []

        package init() {}
    }

    package struct ExchangeOptions: Equatable, Sendable {
        package var type: String
        package var alternate: String?
        package var isDurable = true
        package var isAutoDelete = false
        package var isInternal = false
        package var isDelayed = false
        package var hashHeader: String?
        /// `message-id` or `correlation-id`.
        package var hashProperty: String?
        package var historyLength: Int?

        package init(type: String, alternate: String? = nil) {
            self.type = type
            self.alternate = alternate
        }
    }

    package struct Policy: Equatable, Sendable {
        package var name: String
        package var pattern: String
        /// `queues`, `topics` or `all`; nil leaves it to the server, which takes `all`.
        package var to: String?
        package var priority: Int?
        package var arguments: [Pair]

        package init(name: String, pattern: String, arguments: [Pair]) {
            self.name = name
            self.pattern = pattern
            self.arguments = arguments
        }
    }

    package struct Binding: Equatable, Sendable {
        package var exchange: String
        package var name: String
        package var key: String?
        /// Whether `name` is an exchange.
        package var isToExchange = false
        /// `any` or `all`; nil leaves it to the server, which takes `all`.
        package var match: String?
        package var headers: [Pair] = []

        package init(_ exchange: String, to name: String, key: String? = nil) {
            self.exchange = exchange
            self.name = name
            self.key = key
        }
    }

    package struct Redrive: Equatable, Sendable {
        package var name: String
        package var target: String?
        package var count: Int?
        /// In a second.
        package var rate: Int?
        package var reason: String?
        package var queue: String?
        package var end: String?
        package var key: String?
        package var text: String?
        /// Milliseconds.
        package var oldest: Int64?
        /// Milliseconds.
        package var youngest: Int64?
        package var headers: [Pair] = []

        package init(_ name: String) { self.name = name }
    }

    package struct Consume: Equatable, Sendable {
        package var name: String
        package var consumer: Int64
        package var flow: Flow?
        /// `manual` or `auto`; nil leaves it to the server, which takes `manual`.
        package var ack: String?
        /// For a queue: the higher go first. Nil: 0.
        package var priority: Int?
        package var isExclusive = false
        /// For a topic: `first`, `last`, `next`, an offset, or `@` and milliseconds.
        package var from: String?
        package var group: String?
        /// For a topic, as a member of the group: `range`, `roundrobin` or `sticky`.
        package var join: String?
        package var partitions: [Int]?

        package init(name: String, consumer: Int64) {
            self.name = name
            self.consumer = consumer
        }
    }

    package struct Logs: Equatable, Sendable {
        /// `NAME` or `NAME/INSTANCE`; nil: all.
        package var target: String?
        /// What an answer has said as `next`.
        package var from: String?
        package var count: Int?
        /// Milliseconds since 1970, UTC.
        package var since: Int64?
        /// `out` or `err`; nil: both.
        package var stream: String?
        /// Milliseconds.
        package var wait: Int?

        package init(target: String? = nil) { self.target = target }
    }
}
