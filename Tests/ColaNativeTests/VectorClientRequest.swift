import ColaNative
import ColaTesting
import Foundation
import NIOCore
import Testing

/// The fields of a request vector, as a client would ask for it.
///
/// Source: `protocol/vectors/README.md`, table of `requests`
struct VectorClientRequest {
    private let fields: [String: Any]
    private let name: String

    init(_ fields: [String: Any]) {
        self.fields = fields
        name = Vectors.text(fields["name"]) ?? ""
    }

    func request() throws -> ClientRequest {
        let verb = try #require(fields["verb"] as? String)
        switch verb {
        case "hello": return .hello(hello())
        case "ping": return .ping
        case "beat": return .beat
        case "quit": return .quit
        case "declare": return try declaration()
        case "delete":
            if text("kind") == "group" { return .deleteGroup(topic: name, group: text("group") ?? "") }
            return .delete(
                kind: text("kind") ?? "", name: name, ifUnused: truth("if_unused"), ifEmpty: truth("if_empty"))
        case "alter": return .alter(name, set: pairs("arguments"), clear: fields["clear"] as? [String] ?? [])
        case "policy":
            var policy = ClientRequest.Policy(name: name, pattern: text("pattern") ?? "", arguments: pairs("arguments"))
            policy.to = text("to")
            policy.priority = number("priority")
            return .policy(policy)
        case "unpolicy": return .unpolicy(name)
        case "user": return .user(name, options: pairs("options"))
        case "permit": return .permit(name, options: pairs("options"))
        case "unpermit": return .unpermit(name, options: pairs("options"))
        case "bind": return .bind(binding())
        case "unbind": return .unbind(binding())
        case "purge": return .purge(name)
        case "redrive": return .redrive(redrive)
        case "pubs":
            return .publishBatch(
                routingKey: text("routing_key") ?? "", exchange: text("x"),
                isMandatory: fields["mandatory"] as? Bool ?? true, properties: Self.properties(fields),
                bodies: (fields["bodies"] as? [Any] ?? []).map { ByteBuffer(bytes: Vectors.bytes($0)) })
        case "consume": return .consume(consume())
        case "credit": return .credit(consumer: long("consumer") ?? 0, count: number("n") ?? 0)
        case "cancel": return .cancel(consumer: long("consumer") ?? 0)
        case "seek": return .seek(consumer: long("consumer") ?? 0, to: text("to") ?? "", partition: number("partition"))
        case "ack", "nack", "reject":
            let range = try #require(long("first"))...(#require(long("last")))
            return .acknowledge(
                try #require(ClientRequest.Acknowledgement(rawValue: verb)), range, delay: long("delay"))
        case "fail":
            let range = try #require(long("first"))...(#require(long("last")))
            let story = VectorRequest(verb, fields)
            return .fail(range, try story.attempt(), try story.consequence())
        case "get": return .get(name, ack: text("ack"))
        case "peek":
            return .peek(
                name, from: text("from").flatMap { Int64($0) }, count: number("count"), partition: number("partition"),
                priority: number("priority"))
        case "commit":
            return .commit(
                topic: name, group: text("group") ?? "", offset: long("offset") ?? 0, partition: number("partition"))
        case "list": return .list(text("of") ?? "")
        case "describe":
            if text("kind") == "group" { return .describeGroup(topic: name, group: text("group") ?? "") }
            return .describe(kind: text("kind") ?? "", name: target)
        case "why": return .why(name, offset: long("offset"), priority: number("priority"))
        case "stat": return .stat
        case "backup":
            return .backup(path: text("path") ?? "", isFile: text("as") == "file", replaces: truth("replace"))
        case "reload": return .reload(isDryRun: truth("dry-run"))
        case "logs":
            var logs = ClientRequest.Logs(target: name.isEmpty ? nil : target)
            logs.from = text("from")
            logs.count = number("count")
            logs.since = long("since")
            logs.stream = text("stream")
            logs.wait = number("wait")
            return .logs(logs)
        case "worker": return .worker(try operation(), target: target)
        case "child": return try child()
        default: throw Vectors.Unknown(what: verb)
        }
    }

    private func child() throws -> ClientRequest {
        guard let processID = long("process") else { return .childToken }
        let end: ClientRequest.ChildEnd
        if let signal = text("signal") {
            end = .signal(signal)
        } else {
            end = .code(Int32(try #require(number("code"))))
        }
        return .childEnded(processID: Int32(processID), end)
    }

    private func operation() throws -> ClientRequest.WorkerOperation {
        switch text("operation") {
        case "start": return .start
        case "stop": return .stop
        case "restart": return .restart
        case "scale": return .scale(min: try #require(number("min")), max: number("max"))
        case "pause": return .pause
        case "resume": return .resume
        case "kill": return .kill(signal: text("signal"))
        case "nice": return .nice(try #require(text("value").flatMap { Int($0) }))
        default: throw Vectors.Unknown(what: "worker \(fields)")
        }
    }

    private var redrive: ClientRequest.Redrive {
        var redrive = ClientRequest.Redrive(name)
        redrive.target = text("to")
        redrive.count = number("count")
        redrive.rate = number("rate")
        redrive.reason = text("reason")
        redrive.queue = text("from")
        redrive.end = text("end")
        redrive.key = text("key")
        redrive.text = text("text")
        redrive.oldest = long("older_than")
        redrive.youngest = long("younger_than")
        redrive.headers = pairs("headers")
        return redrive
    }

    /// What is described or steered: of an instance with its number behind the name of its worker.
    private var target: String { long("instance").map { "\(name)/\($0)" } ?? name }

    static func properties(_ fields: [String: Any]) -> PublishProperties {
        var properties = PublishProperties()
        properties.priority = Vectors.number(fields["prio"]).map { UInt8($0) }
        properties.timeToLive = Vectors.number(fields["ttl"])
        properties.delay = Vectors.number(fields["delay"])
        properties.id = Vectors.text(fields["id"])
        properties.replyTo = Vectors.text(fields["reply"])
        properties.correlationID = Vectors.text(fields["corr"])
        properties.partition = Vectors.number(fields["partition"]).map { Int($0) }
        properties.isNull = fields["null"] as? Bool ?? false
        return properties
    }

    private func hello() -> ClientRequest.Hello {
        var hello = ClientRequest.Hello()
        hello.user = text("user")
        hello.password = text("password")
        hello.token = text("token")
        hello.virtualHost = text("vhost")
        hello.client = text("client")
        hello.heartbeat = number("heartbeat") ?? 0
        hello.need = fields["need"] as? [String] ?? []
        return hello
    }

    private func declaration() throws -> ClientRequest {
        switch text("kind") {
        case "queue":
            var queue = ClientRequest.QueueOptions()
            queue.isDurable = fields["durable"] as? Bool ?? true
            queue.isExclusive = truth("exclusive")
            queue.isAutoDelete = truth("auto_delete")
            queue.arguments = pairs("arguments")
            return .declareQueue(name, queue)
        case "topic": return .declareTopic(name, partitions: number("partitions"), arguments: pairs("arguments"))
        case "exchange":
            var exchange = ClientRequest.ExchangeOptions(type: text("type") ?? "", alternate: text("alternate"))
            exchange.isDurable = fields["durable"] as? Bool ?? true
            exchange.isAutoDelete = truth("auto_delete")
            exchange.isInternal = truth("internal")
            exchange.isDelayed = truth("delayed")
            exchange.hashHeader = text("hash_header")
            exchange.hashProperty = text("hash_property")
            exchange.historyLength = number("recent_history_length")
            return .declareExchange(name, exchange)
        case "vhost": return .declareVirtualHost(name, options: pairs("options"))
        default: throw Vectors.Unknown(what: "\(fields)")
        }
    }

    private func binding() -> ClientRequest.Binding {
        var binding = ClientRequest.Binding(text("exchange") ?? "", to: name, key: text("key"))
        binding.isToExchange = text("to") == "exchange"
        binding.match = text("match")
        binding.headers = pairs("headers")
        return binding
    }

    private func consume() -> ClientRequest.Consume {
        var consume = ClientRequest.Consume(name: name, consumer: long("c") ?? 0)
        consume.from = text("from")
        consume.group = text("group")
        consume.join = text("join")
        consume.partitions = (fields["partitions"] as? [NSNumber])?.map(\.intValue)
        if let count = number("prefetch") { consume.flow = .prefetch(count) }
        if let count = number("credit") { consume.flow = .credit(count) }
        consume.ack = text("ack")
        consume.priority = number("priority")
        consume.isExclusive = truth("exclusive")
        return consume
    }

    private func text(_ member: String) -> String? { Vectors.text(fields[member]) }
    private func long(_ member: String) -> Int64? { Vectors.number(fields[member]) }
    private func number(_ member: String) -> Int? { long(member).map { Int($0) } }
    private func truth(_ member: String) -> Bool { fields[member] as? Bool ?? false }
    private func pairs(_ member: String) -> [ClientRequest.Pair] {
        Vectors.texts(fields[member]).map { ClientRequest.Pair($0.0, $0.1) }
    }
}
