import ColaClient
import ColaCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads definitions in RabbitMQ's format, as its `rabbitmqctl export_definitions` and `cola definitions export` write
/// them.
///
/// Source: RabbitMQ, "Schema definition export and import"
struct DefinitionsReader {
    private(set) var plan = DefinitionsPlan()
    /// Users and virtual hosts that are on the broker already.
    private let users: Set<String>
    private let virtualHosts: Set<String>
    /// The same in the file.
    private var fileUsers: Set<String> = []
    private var fileHosts: Set<String> = []

    init(users: Set<String>, virtualHosts: Set<String>) {
        self.users = users
        self.virtualHosts = virtualHosts
    }

    /// What of the file nobody needs: who wrote it.
    private static let ignored: Set = [
        "rabbit_version", "rabbitmq_version", "product_name", "product_version", "rabbitmq_definition_format",
        "original_cluster_name", "explanation", "original_vhost_name", "metadata",
    ]

    mutating func read(_ file: JSONValue) {
        guard case .object(let members) = file else {
            plan.problems.append("the file is no JSON object of definitions")
            return
        }
        let readers: [(String, (inout DefinitionsReader, Item) -> Void)] = [
            ("vhosts", { $0.virtualHost($1) }), ("users", { $0.user($1) }), ("parameters", { $0.parameter($1) }),
            ("permissions", { $0.permission($1) }), ("topic_permissions", { $0.topicPermission($1) }),
            ("exchanges", { $0.exchange($1) }), ("queues", { $0.queue($1) }), ("topics", { $0.topic($1) }),
            ("bindings", { $0.binding($1) }), ("policies", { $0.policy($1) }),
        ]
        for (name, read) in readers {
            switch file[name] {
            case .null: continue
            case .list(let values):
                for (index, value) in values.enumerated() { read(&self, Item(value, "\(name)[\(index)]")) }
            default: plan.problems.append("\(name) is no array")
            }
        }
        for member in members where !readers.contains(where: { $0.0 == member.name }) {
            guard !Self.ignored.contains(member.name), !member.value.isNothing else { continue }
            plan.notes.append("'\(member.name)' is left out: there is no such thing here")
        }
    }

    /// One element of one of the arrays.
    private struct Item {
        let value: JSONValue
        let place: String

        init(_ value: JSONValue, _ place: String) {
            self.value = value
            self.place = place
        }

        func truth(_ member: String) -> Bool { value[member] == .truth(true) }
    }

    /// A text that must be there.
    private mutating func text(_ member: String, of item: Item) -> String? {
        guard let text = item.value[member].text else {
            plan.problems.append("\(item.place) has no text '\(member)'")
            return nil
        }
        return text
    }

    private mutating func name(of item: Item) -> String? {
        guard let name = text("name", of: item) else { return nil }
        guard (1...255).contains(name.utf8.count) else {
            plan.problems.append("\(item.place): a name has 1 to 255 bytes")
            return nil
        }
        return name
    }

    private mutating func host(of item: Item) -> String? {
        guard let host = text("vhost", of: item) else { return nil }
        guard fileHosts.contains(host) || virtualHosts.contains(host) else {
            plan.problems.append("\(item.place): there is no virtual host '\(host)', in the file or on the broker")
            return nil
        }
        return host
    }

    private mutating func user(named member: String, of item: Item) -> String? {
        guard let user = text(member, of: item) else { return nil }
        guard fileUsers.contains(user) || users.contains(user) else {
            plan.problems.append("\(item.place): there is no user '\(user)', in the file or on the broker")
            return nil
        }
        return user
    }

    private mutating func pattern(_ member: String, of item: Item) -> String? {
        guard let text = text(member, of: item) else { return nil }
        do {
            // The braces of names that are put in later are no repeats.
            var plain = text
            for name in ["{username}", "{vhost}", "{client_id}"] { plain = plain.replacing(name, with: "x") }
            _ = try Pattern(plain)
            return text
        } catch {
            plan.problems.append("\(item.place): \(error)")
            return nil
        }
    }

    // MARK: Server

    private mutating func virtualHost(_ item: Item) {
        guard let name = name(of: item) else { return }
        fileHosts.insert(name)
        var settings = Client.VirtualHostSettings()
        let metadata = item.value["metadata"]
        settings.description = metadata["description"].text ?? item.value["description"].text
        settings.tags = Self.words(metadata["tags"]) ?? Self.words(item.value["tags"])
        settings.defaultQueueType = metadata["default_queue_type"].text ?? item.value["default_queue_type"].text
        if settings.defaultQueueType == "undefined" { settings.defaultQueueType = nil }
        set(Self.limits(item.value["limits"]), of: &settings)
        plan.steps.append(.virtualHost(name, settings))
    }

    private func set(_ limits: [String: Int64], of settings: inout Client.VirtualHostSettings) {
        settings.connectionsMax = limits["max-connections"].map(Self.limit) ?? settings.connectionsMax
        settings.queuesMax = limits["max-queues"].map(Self.limit) ?? settings.queuesMax
    }

    private mutating func parameter(_ item: Item) {
        guard item.value["component"].text == "vhost-limits" else {
            let component = item.value["component"].text ?? ""
            return plan.notes.append("\(item.place) is left out: there are no parameters of '\(component)' here")
        }
        guard let host = host(of: item) else { return }
        var settings = Client.VirtualHostSettings()
        set(Self.limits(item.value["value"]), of: &settings)
        plan.steps.append(.virtualHost(host, settings))
    }

    private mutating func user(_ item: Item) {
        guard let name = name(of: item) else { return }
        fileUsers.insert(name)
        var settings = Client.UserSettings()
        settings.tags = Self.words(item.value["tags"]) ?? []
        let hash = item.value["password_hash"].text ?? ""
        let algorithm = item.value["hashing_algorithm"].text ?? "rabbit_password_hashing_sha256"
        if hash.isEmpty {
            settings.password = Client.UserSettings.Password.none
        } else if let text = PasswordHash.text(ofRabbitMQ: hash, algorithm) {
            settings.password = .hash(text)
        } else {
            plan.problems.append(
                "\(item.place): user '\(name)' has a password hash of '\(algorithm)', which cannot be taken over: "
                    + "export it with one of RabbitMQ's own algorithms, or leave out password_hash and set a password "
                    + "with `cola users password`")
        }
        let limits = Self.limits(item.value["limits"])
        settings.connectionsMax = limits["max-connections"].map(Self.limit)
        settings.channelsMax = limits["max-channels"].map(Self.limit)
        plan.steps.append(.user(name, settings))
    }

    private mutating func permission(_ item: Item) {
        guard let user = user(named: "user", of: item), let host = host(of: item),
            let configure = pattern("configure", of: item), let write = pattern("write", of: item),
            let read = pattern("read", of: item)
        else { return }
        plan.steps.append(.permission(user: user, host: host, configure: configure, write: write, read: read))
    }

    private mutating func topicPermission(_ item: Item) {
        guard let user = user(named: "user", of: item), let host = host(of: item),
            let exchange = text("exchange", of: item), let write = pattern("write", of: item),
            let read = pattern("read", of: item)
        else { return }
        plan.steps.append(.topicPermission(user: user, host: host, exchange: exchange, write: write, read: read))
    }

    // MARK: Virtual hosts

    private mutating func exchange(_ item: Item) {
        guard let name = name(of: item), let host = host(of: item), let type = text("type", of: item) else { return }
        // Those are always there.
        guard !name.hasPrefix("amq.") else { return }
        let arguments = item.value["arguments"]
        var options = Client.ExchangeOptions(type: type)
        if type == ExchangeDefinition.delayedType {
            options.type = arguments[ExchangeArgument.delayedType].text ?? ""
            options.isDelayed = true
        }
        guard ExchangeDefinition.Kind(rawValue: options.type) != nil else {
            let known = ExchangeDefinition.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            let type = options.type
            return plan.problems.append("\(item.place): exchange '\(name)' is of type \(type), and there are \(known)")
        }
        options.isDurable = item.value["durable"] != .truth(false)
        options.isAutoDelete = item.truth("auto_delete")
        options.isInternal = item.truth("internal")
        for argument in arguments.members {
            switch argument.name {
            case ExchangeArgument.alternate: options.alternate = argument.value.text
            case ExchangeArgument.delayedType: break
            case ExchangeArgument.hashHeader: options.hashHeader = argument.value.text
            case ExchangeArgument.hashProperty:
                options.hashProperty = argument.value.text.map { String($0.map { $0 == "_" ? "-" : $0 }) }
            case ExchangeArgument.historyLength:
                options.historyLength = argument.value.integer.map { Int(clamping: $0) }
            default: plan.notes.append("exchange '\(name)': the argument \(argument.name) is left out")
            }
        }
        plan.add(.exchange(name, options), to: host)
    }

    private mutating func queue(_ item: Item) {
        guard let name = name(of: item), let host = host(of: item) else { return }
        guard !name.hasPrefix("amq."), !name.hasPrefix("cola.") else {
            return plan.notes.append("queue '\(name)' is left out: its name is one that the broker chooses")
        }
        var options = Client.QueueOptions()
        options.isDurable = item.value["durable"] != .truth(false)
        options.isAutoDelete = item.truth("auto_delete")
        if item.value["type"].text == "stream" || item.value["arguments"]["x-queue-type"].text == "stream" {
            plan.notes.append("'\(name)' is a stream, and becomes a topic with one partition")
            let arguments = arguments(of: item, "x-", besides: ["x-queue-type"]) { $0.isOfTopics }
            return plan.add(.topic(name, partitions: 1, arguments: arguments), to: host)
        }
        options.arguments = arguments(of: item, "x-") { $0.isOfQueues }
        plan.add(.queue(name, options), to: host)
    }

    private mutating func topic(_ item: Item) {
        guard let name = name(of: item), let host = host(of: item) else { return }
        let partitions = item.value["partitions"].integer ?? 1
        guard (1...1_000).contains(partitions) else {
            return plan.problems.append("\(item.place): a topic has 1 to 1000 partitions")
        }
        let arguments = arguments(of: item, "") { $0.isOfTopics }
        plan.add(.topic(name, partitions: Int(partitions), arguments: arguments), to: host)
    }

    private mutating func policy(_ item: Item) {
        guard let name = name(of: item), let host = host(of: item), let pattern = pattern("pattern", of: item) else {
            return
        }
        let target = item.value["apply-to"].text ?? "all"
        guard let appliesTo = PolicyDefinition.AppliesTo(rawValue: target) else {
            return plan.problems.append("\(item.place): policy '\(name)' is for '\(target)', which is unknown")
        }
        let given = arguments(of: item, "", member: "definition") { appliesTo.takes($0) }
        guard !given.isEmpty else {
            return plan.notes.append("policy '\(name)' is left out: nothing of it means anything here")
        }
        var policy = Client.Policy(name: name, pattern: pattern, arguments: given)
        policy.to = target
        policy.priority = item.value["priority"].integer.map { Int(clamping: max(0, $0)) }
        plan.add(.policy(policy), to: host)
    }

    private mutating func binding(_ item: Item) {
        guard let source = text("source", of: item), let destination = text("destination", of: item),
            let host = host(of: item)
        else { return }
        // The exchange without a name leads everywhere by itself.
        guard !source.isEmpty else { return }
        var options = Client.BindingOptions()
        options.routingKey = item.value["routing_key"].text ?? ""
        options.isToExchange = item.value["destination_type"].text == "exchange"
        for argument in item.value["arguments"].members {
            if argument.name == "x-match" {
                options.matchesAny = argument.value.text?.hasPrefix("any") == true
            } else if !argument.name.hasPrefix("x-") {
                let value = argument.value == .null ? "" : argument.value.argument
                options.headers.append(Header(argument.name, value))
            }
        }
        plan.add(.binding(source, to: destination, options), to: host)
    }

    // MARK: Values

    private mutating func arguments(
        of item: Item, _ prefix: String, member: String = "arguments", besides known: Set<String> = [],
        _ isMeant: (ColaCore.Argument) -> Bool
    ) -> [Client.Argument] {
        let name = item.value["name"].text ?? ""
        var arguments: [Client.Argument] = []
        for given in item.value[member].members where !known.contains(given.name) {
            let word = given.name.hasPrefix(prefix) ? String(given.name.dropFirst(prefix.count)) : given.name
            guard let argument = ColaCore.Argument.named(word), isMeant(argument) else {
                plan.notes.append("'\(name)': the argument \(given.name) is left out")
                continue
            }
            let text = given.value.argument
            do {
                var ignored = Arguments()
                try argument.set(text, in: &ignored)
                arguments.append(Client.Argument(argument.rawValue, text))
            } catch {
                plan.problems.append("\(item.place): '\(name)': \(given.name): \(error.sentence)")
            }
        }
        return arguments
    }

    /// An array, or a text with commas.
    private static func words(_ value: JSONValue) -> [String]? {
        switch value {
        case .list(let values): values.compactMap(\.text)
        case .text(let text): text.split { $0 == "," || $0.isWhitespace }.map(String.init)
        default: nil
        }
    }

    /// An object, or an array of pairs.
    private static func limits(_ value: JSONValue) -> [String: Int64] {
        var limits: [String: Int64] = [:]
        for member in value.members { limits[member.name] = member.value.integer }
        for pair in value.list {
            if let name = pair.list.first?.text { limits[name] = pair.list.last?.integer }
        }
        return limits
    }

    /// To RabbitMQ a negative one is none.
    private static func limit(_ number: Int64) -> Client.Limit { number < 0 ? .none : .most(Int(clamping: number)) }
}

extension JSONValue {
    /// In the form of the native protocol.
    fileprivate var argument: String {
        switch self {
        case .truth(let truth): truth ? "yes" : "no"
        case .number(let digits): digits
        case .text(let text): text
        default: json
        }
    }

    fileprivate var isNothing: Bool {
        switch self {
        case .null, .list([]), .object([]): true
        default: false
        }
    }
}

extension PasswordHash {
    private static let names: [(name: String, algorithm: Algorithm)] = [
        ("rabbit_password_hashing_sha256", .rabbitSHA256), ("rabbit_password_hashing_sha512", .rabbitSHA512),
        ("rabbit_password_hashing_md5", .rabbitMD5),
    ]
    /// What stands in the place of RabbitMQ's name for a hash of ours.
    private static let ownName = "cola"
    private static let rabbitSaltBytes = 4

    /// A hash in RabbitMQ's form: salt and hash in base64.
    static func text(ofRabbitMQ hash: String, _ algorithm: String) -> String? {
        if algorithm == ownName { return PasswordHash(text: hash)?.text }
        guard let found = names.first(where: { $0.name == algorithm })?.algorithm,
            let bytes = Data(base64Encoded: hash).map(Array.init), bytes.count == rabbitSaltBytes + found.byteCount
        else { return nil }
        return PasswordHash(
            found, salt: Array(bytes.prefix(rabbitSaltBytes)), hash: Array(bytes.dropFirst(rabbitSaltBytes))
        ).text
    }

    /// Its form there, and the name of the algorithm. One of ours means nothing to RabbitMQ.
    var rabbitMQ: (hash: String, algorithm: String) {
        guard let name = Self.names.first(where: { $0.algorithm == algorithm })?.name,
            salt.count == Self.rabbitSaltBytes
        else { return (text, Self.ownName) }
        return (Data(salt + hash).base64EncodedString(), name)
    }
}
