import ColaCore
import ColaTesting
import Foundation
import Testing

/// The fields of a request vector, as the request that a broker should get.
///
/// Source: `protocol/vectors/README.md`, table of `requests`
struct VectorRequest {
    private let verb: String
    private let fields: [String: Any]
    private let name: String

    init(_ verb: String, _ fields: [String: Any]) {
        self.verb = verb
        self.fields = fields
        name = Vectors.text(fields["name"]) ?? ""
    }

    func attempt() throws -> Attempt {
        Attempt(
            began: Timestamp(Vectors.number(fields["began"]) ?? 0),
            ended: Timestamp(Vectors.number(fields["ended"]) ?? 0),
            end: try #require(Attempt.End(rawValue: text("end") ?? "")), worker: text("worker") ?? "",
            process: Int32(Vectors.number(fields["pid"]) ?? 0), detail: text("detail") ?? "",
            output: (text("output") ?? "").split(separator: "\n").map(String.init))
    }

    func consequence() throws -> Consequence {
        let attempts = number("attempts") ?? .max
        let isDefault = truth("default") ?? false
        switch text("then") {
        case "retry":
            return .retry(
                milliseconds: Vectors.number(fields["delay"]) ?? 0, attemptsMax: attempts, isDefault: isDefault)
        case "suspect": return .suspect(attemptsMax: attempts, isDefault: isDefault)
        case "give-back": return .giveBack
        default: return .bury
        }
    }

    func request() throws -> Request {
        switch verb {
        case "ping", "quit": .barrier
        case "stat": .statistics
        case "declare": try declaration()
        case "delete": try deletion()
        case "alter":
            .alter(
                name: name, set: try arguments(),
                clear: try (fields["clear"] as? [String] ?? []).map { try #require(Argument(rawValue: $0)) })
        case "policy": .setPolicy(try policy())
        case "unpolicy": .clearPolicy(name: name)
        case "user": .setUser(try user())
        case "permit": permission()
        case "unpermit": clearing()
        case "bind": .bind(try binding())
        case "unbind": .unbind(try binding())
        case "purge": .purge(name: name)
        case "redrive":
            .redrive(
                name: name, target: text("to"), count: number("count"), filter: deathFilter, rate: number("rate"))
        case "credit": .grant(consumer, count: number("n") ?? -1)
        case "cancel": .cancel(consumer)
        case "seek": .seek(consumer, partition: number("partition"), Self.position(text("to") ?? ""))
        case "ack", "nack", "reject":
            .settle(
                first: DeliveryTag(UInt64(Vectors.number(fields["first"]) ?? 0)),
                last: DeliveryTag(UInt64(Vectors.number(fields["last"]) ?? 0)), settlement)
        case "fail":
            .settle(
                first: DeliveryTag(UInt64(Vectors.number(fields["first"]) ?? 0)),
                last: DeliveryTag(UInt64(Vectors.number(fields["last"]) ?? 0)),
                .failed(try attempt(), try consequence()))
        case "get": .get(name: name, isAutoAck: text("ack") != "manual")
        case "peek":
            .peek(
                name: name, partition: number("partition") ?? 0, priority: number("priority").map { UInt8($0) },
                from: Offset(text("from").flatMap { Int64($0) } ?? 0), count: number("count") ?? 1)
        case "commit":
            .commitOffset(
                topic: name, partition: number("partition") ?? 0, group: text("group") ?? "",
                next: Offset(Vectors.number(fields["offset"]) ?? -1))
        case "list":
            switch text("of") {
            case "workers": .workers(.list)
            case "processes": .workers(.processes)
            default: .list(try #require(Listing(rawValue: text("of") ?? "")))
            }
        case "describe": text("kind") == "worker" ? .workers(.show(target)) : .describe(try subject())
        case "reload": .workers(.reload(isDryRun: truth("dry-run") ?? false))
        case "child": .workers(.child(SessionBench.channel, try child()))
        case "worker": .workers(.control(try operation(), target))
        case "logs":
            .workers(
                .output(
                    OutputQuery(
                        target: name.isEmpty ? nil : target, from: text("from").flatMap { OutputPosition($0) },
                        count: number("count") ?? 10, since: Vectors.number(fields["since"]).map { Timestamp($0) },
                        stream: text("stream").flatMap { ProgramStream(rawValue: $0) },
                        waitMilliseconds: Vectors.number(fields["wait"]) ?? 0)))
        case "backup":
            .backUp(
                BackupOrder(
                    path: text("path") ?? "", isFile: text("as") == "file", replaces: truth("replace") ?? false))
        case "why":
            .why(
                name: name, Vectors.number(fields["offset"]).map { Offset($0) },
                priority: UInt8(number("priority") ?? 0))
        default: throw Vectors.Unknown(what: verb)
        }
    }

    private var deathFilter: DeathFilter {
        var filter = DeathFilter()
        filter.reason = text("reason").flatMap(DeathReason.init)
        filter.queue = text("from")
        filter.end = text("end").flatMap(Attempt.End.init)
        filter.key = text("key").map { Array($0.utf8) }
        filter.text = text("text").map { Array($0.utf8) }
        filter.oldest = Vectors.number(fields["older_than"])
        filter.youngest = Vectors.number(fields["younger_than"])
        filter.headers = Vectors.texts(fields["headers"]).map {
            DeathFilter.Header(name: Array($0.0.utf8), value: Array($0.1.utf8))
        }
        return filter
    }

    static func position(_ text: String) -> Consume.Position {
        switch text {
        case "first": .first
        case "last": .last
        case "next": .next
        default:
            text.hasPrefix("@") ? .time(Timestamp(Int64(text.dropFirst()) ?? -1)) : .offset(Offset(Int64(text) ?? -1))
        }
    }

    private func declaration() throws -> Request {
        switch text("kind") {
        case "queue":
            return .declareQueue(
                QueueDeclaration(
                    name: name, arguments: try arguments(), isDurable: truth("durable") ?? true,
                    isExclusive: truth("exclusive") ?? false, isAutoDelete: truth("auto_delete") ?? false))
        case "topic": return .declareTopic(name: name, partitions: number("partitions"), try arguments())
        case "exchange":
            let kind = try #require(ExchangeDefinition.Kind(rawValue: text("type") ?? ""))
            var exchange = ExchangeDeclaration(
                name: name, kind: kind, isDurable: truth("durable") ?? true,
                isAutoDelete: truth("auto_delete") ?? false, isInternal: truth("internal") ?? false,
                isDelayed: truth("delayed") ?? false, alternate: text("alternate"))
            exchange.arguments[ExchangeArgument.hashHeader] = text("hash_header").map { .text($0) }
            exchange.arguments[ExchangeArgument.hashProperty] = text("hash_property").map {
                .text($0.replacing("-", with: "_"))
            }
            exchange.arguments[ExchangeArgument.historyLength] = number("recent_history_length").map {
                .integer(Int64($0))
            }
            return .declareExchange(exchange)
        case "vhost":
            var change = VirtualHostChange()
            change.text = option("description")
            change.tags = option("tags").map(Self.words)
            change.queueType = option("default-queue-type")
            change.connectionsMax = limit("max-connections")
            change.queuesMax = limit("max-queues")
            return .declareVirtualHost(name: name, change)
        default: throw Vectors.Unknown(what: "declare \(fields)")
        }
    }

    private func deletion() throws -> Request {
        let ifUnused = truth("if_unused") ?? false
        switch text("kind") {
        case "queue": return .deleteQueue(name: name, ifUnused: ifUnused, ifEmpty: truth("if_empty") ?? false)
        case "topic": return .deleteTopic(name: name)
        case "exchange": return .deleteExchange(name: name, ifUnused: ifUnused)
        case "vhost": return .deleteVirtualHost(name: name)
        case "user": return .deleteUser(name: name)
        case "group": return .deleteGroup(topic: name, group: text("group") ?? "")
        default: throw Vectors.Unknown(what: "delete \(fields)")
        }
    }

    // MARK: Users

    private func option(_ name: String) -> String? {
        Vectors.texts(fields["options"]).first { $0.0 == name }?.1
    }

    private func limit(_ name: String) -> Limit? { option(name).map { Int($0).map { .most($0) } ?? .none } }

    private static func words(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }

    private func user() throws -> UserChange {
        var change = UserChange(name: name)
        change.isNew = option("new").map { $0 == "yes" }
        if let password = option("password") { change.password = .plain(Secret(password)) }
        if let hash = option("hash") { change.password = .hash(try #require(PasswordHash(text: hash))) }
        if option("no-password") != nil { change.password = UserChange.Password.none }
        change.tags = option("tags").map(Self.words)
        change.isFromLoopbackOnly = option("loopback-only").map { $0 == "yes" }
        change.connectionsMax = limit("max-connections")
        change.channelsMax = limit("max-channels")
        return change
    }

    private func permission() -> Request {
        let host = option("vhost") ?? "/"
        let (write, read) = (option("write") ?? "", option("read") ?? "")
        if let exchange = option("exchange") {
            return .setTopicPermission(
                TopicPermissionDefinition(host: host, user: name, exchange: exchange, write: write, read: read))
        }
        return .setPermission(
            PermissionDefinition(
                host: host, user: name, configure: option("configure") ?? "", write: write, read: read))
    }

    private func clearing() -> Request {
        let host = option("vhost") ?? "/"
        guard option("exchange") != nil || option("topics") != nil else {
            return .clearPermission(user: name, host: host)
        }
        return .clearTopicPermission(user: name, host: host, exchange: option("exchange"))
    }

    private func arguments() throws -> Arguments {
        var arguments = Arguments()
        for (name, value) in Vectors.texts(fields["arguments"]) {
            try #require(Argument(rawValue: name)).set(value, in: &arguments)
        }
        return arguments
    }

    private func policy() throws -> PolicyDefinition {
        PolicyDefinition(
            name: name, pattern: text("pattern") ?? "",
            appliesTo: try #require(PolicyDefinition.AppliesTo(rawValue: text("to") ?? "all")),
            priority: number("priority") ?? 0, arguments: try arguments())
    }

    private func binding() throws -> BindingDefinition {
        let headers = Vectors.texts(fields["headers"]).map { name, value in
            HeadersMatch.Header(name: name, value: value.isEmpty ? nil : value)
        }
        return BindingDefinition(
            source: text("exchange") ?? "",
            target: try #require(BindingDefinition.Target(rawValue: text("to") ?? "queue")), destination: name,
            routingKey: text("key") ?? "",
            arguments: HeadersMatch(
                isAny: text("match") == "any", headers: headers.sorted { $0.name < $1.name }
            ).arguments)
    }

    private func child() throws -> WorkerRequest.ChildRequest {
        guard let processID = number("process") else { return .token }
        if let signal = text("signal") { return .ended(processID: Int32(processID), .signal(signal)) }
        return .ended(processID: Int32(processID), .code(Int32(try #require(number("code")))))
    }

    private var settlement: Settlement {
        switch (verb, Vectors.number(fields["delay"])) {
        case ("ack", _): .acknowledge
        case ("reject", _): .reject
        case (_, nil): .retry
        case (_, 0): .release
        case (_, let delay?): .releaseLater(milliseconds: delay)
        }
    }

    private func subject() throws -> Subject {
        switch text("kind") {
        case "queue": return .queue(name)
        case "topic": return .topic(name)
        case "exchange": return .exchange(name)
        case "group": return .group(topic: name, group: text("group") ?? "")
        case "policy": return .policy(name)
        case "vhost": return .virtualHost(name)
        case "user": return .user(name)
        default: throw Vectors.Unknown(what: "describe \(fields)")
        }
    }

    private func operation() throws -> WorkerRequest.Operation {
        switch text("operation") {
        case "start": return .start
        case "stop": return .stop
        case "restart": return .restart
        case "scale":
            let least = try #require(number("min"))
            return .scale(least...(number("max") ?? least))
        case "pause": return .pause
        case "resume": return .resume
        case "kill": return .kill(signal: text("signal"))
        case "nice": return .nice(try #require(text("value").flatMap { Int($0) }))
        default: throw Vectors.Unknown(what: "worker \(fields)")
        }
    }

    private var target: WorkerRequest.Target {
        .init(worker: name, instance: Vectors.number(fields["instance"]).map { UInt64($0) })
    }

    private var consumer: ConsumerTag { ConsumerTag(UInt64(Vectors.number(fields["consumer"]) ?? 0)) }
    private func text(_ member: String) -> String? { Vectors.text(fields[member]) }
    private func number(_ member: String) -> Int? { Vectors.number(fields[member]).map { Int($0) } }
    private func truth(_ member: String) -> Bool? { fields[member] as? Bool }
}
