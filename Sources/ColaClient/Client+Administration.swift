package import ColaNative
internal import NIOCore

// What an administrator asks for: definitions with arguments, changes while it runs, and a look at one thing.
extension Client {
    /// One thing that can be described.
    public enum Subject: Hashable, Sendable {
        case queue(String)
        case topic(String)
        case exchange(String)
        case policy(String)
        case virtualHost(String)
        /// For administrators.
        case user(String)
        case group(topic: String, name: String)
        /// For administrators.
        case worker(String)
        /// One instance of a worker, with all that the kernel says of its process. For administrators.
        case instance(worker: String, number: Int64)
    }

    /// A setting of a queue or topic, such as `max-length` and `10`.
    ///
    /// Source: `protocol/native.md` section 3.2, the table of arguments
    public struct Argument: Hashable, Sendable {
        public var name: String
        public var value: String

        /// An argument; the value in the form of the protocol: durations in milliseconds, truth as `yes` or `no`.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What a queue is declared with.
    public struct QueueOptions: Hashable, Sendable {
        /// Whether the queue and its messages outlive the server.
        public var isDurable = true
        /// Whether it belongs to this connection alone and ends with it.
        public var isExclusive = false
        /// Whether it goes when the last of its consumers has gone.
        public var isAutoDelete = false
        public var arguments: [Argument] = []

        /// A durable queue that everybody may use.
        public init() {}
    }

    /// What an exchange is declared with.
    public struct ExchangeOptions: Hashable, Sendable {
        /// `direct`, `fanout`, `topic`, `headers`, or one of those with `x-`.
        public var type: String
        /// The exchange that gets what no binding takes.
        public var alternate: String?
        /// Whether the exchange outlives the server.
        public var isDurable = true
        /// Whether it goes with the last binding that leads from it.
        public var isAutoDelete = false
        /// Whether only exchanges and dead letters lead to it, no publisher.
        public var isInternal = false
        /// Whether a message with a delay is routed when its time has come.
        public var isDelayed = false
        /// Of `x-consistent-hash`: the header that is hashed in place of the routing key.
        public var hashHeader: String?
        /// Of `x-consistent-hash`: `message-id`, `correlation-id` or `timestamp`, hashed in place of the routing key.
        public var hashProperty: String?
        /// Of `x-recent-history`: how many messages it keeps, 1 to 10,000; nil is 20.
        public var historyLength: Int?

        /// A durable exchange that everybody may publish to.
        public init(type: String) { self.type = type }
    }

    /// Arguments for every queue and topic whose name a pattern is found in.
    public struct Policy: Hashable, Sendable {
        public var name: String
        /// A regular expression.
        public var pattern: String
        /// `queues`, `topics` or `all`; nil is `all`.
        public var to: String?
        /// Of several policies that fit the highest counts, 0 to 2147483647; nil is 0.
        public var priority: Int?
        public var arguments: [Argument]

        /// A policy for queues and topics alike.
        public init(name: String, pattern: String, arguments: [Argument]) {
            self.name = name
            self.pattern = pattern
            self.arguments = arguments
        }
    }

    /// What a binding names beside its two ends.
    public struct BindingOptions: Hashable, Sendable {
        /// The routing key, or a pattern of it.
        public var routingKey = ""
        /// Whether the destination is an exchange.
        public var isToExchange = false
        /// For a headers exchange: whether one of the headers is enough.
        public var matchesAny = false
        /// For a headers exchange; an empty value: the header need only be there.
        public var headers: [Header] = []

        /// Every routing key that is empty, to a queue or topic.
        public init() {}
    }

    // MARK: Definitions

    /// Makes the queue if there is none of the name. Returns when it is on the server's disk.
    /// - Returns: how many messages wait in it.
    /// - Throws: ``ColaError/Code/mismatch`` if there is one that was declared otherwise.
    @discardableResult public func declareQueue(_ name: String, options: QueueOptions) async throws -> Int {
        var queue = ClientRequest.QueueOptions()
        queue.isDurable = options.isDurable
        queue.isExclusive = options.isExclusive
        queue.isAutoDelete = options.isAutoDelete
        queue.arguments = pairs(options.arguments)
        return try await count(of: "ready", .declareQueue(name, queue), "declare of queue '\(name)'")
    }

    /// Makes the topic if there is none of the name. Returns when it is on the server's disk.
    /// - Parameter partitions: 1 to 1,000; nil is one.
    /// - Returns: how many records are in it.
    @discardableResult public func declareTopic(
        _ name: String, partitions: Int?, arguments: [Argument]
    ) async throws -> Int {
        let request = ClientRequest.declareTopic(name, partitions: partitions, arguments: pairs(arguments))
        return try await count(of: "ready", request, "declare of topic '\(name)'")
    }

    /// Makes the exchange if there is none of the name. `type` is `direct`, `fanout`, `topic`, `headers`, or one of
    /// those with `x-`.
    /// - Parameter alternate: the exchange that gets what no binding takes.
    public func declareExchange(_ name: String, type: String, alternate: String?) async throws {
        var options = ExchangeOptions(type: type)
        options.alternate = alternate
        try await declareExchange(name, options: options)
    }

    /// Makes the exchange if there is none of the name. Returns when it is on the server's disk, if it is durable.
    /// - Throws: ``ColaError/Code/mismatch`` if there is one that was declared otherwise.
    public func declareExchange(_ name: String, options: ExchangeOptions) async throws {
        var exchange = ClientRequest.ExchangeOptions(type: options.type, alternate: options.alternate)
        exchange.isDurable = options.isDurable
        exchange.isAutoDelete = options.isAutoDelete
        exchange.isInternal = options.isInternal
        exchange.isDelayed = options.isDelayed
        exchange.hashHeader = options.hashHeader
        exchange.hashProperty = options.hashProperty
        exchange.historyLength = options.historyLength
        try await carryOut(.declareExchange(name, exchange), "declare of exchange '\(name)'")
    }

    /// Deletes it with its messages and bindings, if it is neither used nor full where that is asked for.
    /// - Parameters:
    ///   - ifUnused: only while nothing consumes the queue, or nothing is bound to the exchange.
    ///   - ifEmpty: only while the queue is empty.
    /// - Returns: how many messages were deleted with it.
    /// - Throws: ``ColaError/Code/inUse`` if it is used or not empty.
    @discardableResult public func delete(
        _ kind: Kind, _ name: String, ifUnused: Bool, ifEmpty: Bool
    ) async throws -> Int {
        let request = ClientRequest.delete(kind: kind.rawValue, name: name, ifUnused: ifUnused, ifEmpty: ifEmpty)
        return try await count(of: "messages", request, "delete of \(kind.rawValue) '\(name)'")
    }

    /// Deletes a virtual host in which there are neither queues nor topics.
    public func deleteVirtualHost(_ name: String) async throws {
        try await carryOut(.delete(kind: "vhost", name: name), "delete of virtual host '\(name)'")
    }

    /// Deletes a group that has no members, with its offsets.
    public func deleteGroup(_ name: String, of topic: String) async throws {
        try await carryOut(.deleteGroup(topic: topic, group: name), "delete of group '\(name)'")
    }

    /// Makes the policy, or puts it in the place of the one of its name.
    public func setPolicy(_ policy: Policy) async throws {
        var request = ClientRequest.Policy(
            name: policy.name, pattern: policy.pattern, arguments: pairs(policy.arguments))
        request.to = policy.to
        request.priority = policy.priority
        try await carryOut(.policy(request), "policy '\(policy.name)'")
    }

    /// Takes a policy back.
    public func deletePolicy(_ name: String) async throws {
        try await carryOut(.unpolicy(name), "delete of policy '\(name)'")
    }

    /// Changes arguments of a queue or topic that is there. What is named in neither list stays.
    public func alter(_ name: String, set: [Argument], clear: [String] = []) async throws {
        try await carryOut(.alter(name, set: pairs(set), clear: clear), "alter of '\(name)'")
    }

    /// From now on the exchange leads what fits to the queue, topic or exchange.
    public func bind(exchange: String, to name: String, options: BindingOptions) async throws {
        try await carryOut(.bind(binding(exchange, name, options)), "bind of '\(exchange)' to '\(name)'")
    }

    /// Takes back the binding that was made with the same options.
    public func unbind(exchange: String, from name: String, options: BindingOptions) async throws {
        try await carryOut(.unbind(binding(exchange, name, options)), "unbind of '\(exchange)' from '\(name)'")
    }

    // MARK: Messages

    /// Puts dead letters back into the queues where they died, or all of them into one.
    /// - Parameters:
    ///   - target: the queue for all of them; nil: each where it died.
    ///   - count: at most so many; nil: all that wait.
    ///   - rate: at most so many in a second, 1 to 1,000,000; nil: as fast as it goes.
    ///   - filter: those that it includes.
    /// - Returns: how many were moved, when all of them were. It stops when the connection ends.
    @discardableResult public func redrive(
        _ queue: String, to target: String? = nil, count: Int? = nil, rate: Int? = nil,
        where filter: DeadLetterFilter = DeadLetterFilter()
    ) async throws -> Int {
        var redrive = ClientRequest.Redrive(queue)
        redrive.target = target
        redrive.count = count
        redrive.rate = rate
        filter.describe(in: &redrive)
        return try await self.count(of: "messages", .redrive(redrive), "redrive of '\(queue)'")
    }

    /// Sets the group's position: the offset that it reads next in the partition.
    public func commit(_ offset: Int64, topic: String, group: String, partition: Int) async throws {
        let request = ClientRequest.commit(topic: topic, group: group, offset: offset, partition: partition)
        try await carryOut(request, "commit of group '\(group)' of '\(topic)'")
    }

    /// Up to `count` (at most 1,000) records of one partition at or above the offset.
    public func peek(
        _ name: String, partition: Int, from offset: Int64, count: Int
    ) async throws -> [StoredMessage] {
        let request = ClientRequest.peek(name, from: offset, count: count, partition: partition)
        return try await ask(request, "peek of '\(name)'").peeked
    }

    /// A page of messages without taking them, whether handed out or not, in the order in which they are delivered:
    /// of a queue with priorities the higher first. At most 1,000 messages, and 16 MiB of bodies.
    /// - Parameters:
    ///   - position: where it begins; nil: at the beginning.
    ///   - partition: of a topic.
    public func browse(
        _ name: String, from position: BrowsePosition? = nil, count: Int = 1000, partition: Int? = nil
    ) async throws -> BrowsedPage {
        let request = ClientRequest.peek(
            name, from: position?.offset, count: count, partition: partition, priority: position?.priority)
        return BrowsedPage(try await ask(request, "peek of '\(name)'"))
    }

    /// A publisher whose messages have everything in common that the template says.
    package func publisher(
        to destination: Destination, window: Int, template: PublishTemplate
    ) -> Publisher {
        Publisher(connection, to: destination, window: window, template: template)
    }

    // MARK: Looking inside

    /// One JSON object with all that is known of it.
    public func describe(_ subject: Subject) async throws -> String {
        switch subject {
        case .queue(let name): try await description("queue", name)
        case .topic(let name): try await description("topic", name)
        case .exchange(let name): try await description("exchange", name)
        case .policy(let name): try await description("policy", name)
        case .virtualHost(let name): try await description("vhost", name)
        case .user(let name): try await description("user", name)
        case .worker(let name): try await description("worker", name)
        case .instance(let worker, let number): try await description("worker", "\(worker)/\(number)")
        case .group(let topic, let name):
            try await object(.describeGroup(topic: topic, group: name), "describe of group '\(name)'")
        }
    }

    /// One JSON object that says why the messages of a queue wait, or the one at the offset.
    /// - Parameter priority: with an offset, that of its message, 0 to 255; each counts its own offsets. Nil: 0.
    public func why(_ queue: String, offset: Int64? = nil, priority: Int? = nil) async throws -> String {
        try await object(.why(queue, offset: offset, priority: priority), "why of '\(queue)'")
    }

    private func description(_ kind: String, _ name: String) async throws -> String {
        try await object(.describe(kind: kind, name: name), "describe of \(kind) '\(name)'")
    }

    private func object(_ request: ClientRequest, _ what: String) async throws -> String {
        try await ask(request, what).answer.body.map { String(buffer: $0) } ?? "null"
    }

    /// The one way in which everything here reaches the server.
    private func ask(_ request: ClientRequest, _ what: String) async throws -> Connection.Reply {
        try await connection.ask(request, what)
    }

    func carryOut(_ request: ClientRequest, _ what: String) async throws {
        _ = try await ask(request, what)
    }

    private func count(of option: String, _ request: ClientRequest, _ what: String) async throws -> Int {
        Int(try await ask(request, what).answer.number(option) ?? 0)
    }

    private func pairs(_ arguments: [Argument]) -> [ClientRequest.Pair] {
        arguments.map { ClientRequest.Pair($0.name, $0.value) }
    }

    private func binding(_ exchange: String, _ name: String, _ options: BindingOptions) -> ClientRequest.Binding {
        var binding = ClientRequest.Binding(
            exchange, to: name, key: options.routingKey.isEmpty ? nil : options.routingKey)
        binding.isToExchange = options.isToExchange
        binding.match = options.matchesAny ? "any" : nil
        binding.headers = options.headers.map { ClientRequest.Pair($0.name, $0.value) }
        return binding
    }
}
