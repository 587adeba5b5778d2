package import ColaCore
internal import ColaTLS
package import ColaWorkers
internal import OrderedCollections

/// What a server was asked to be.
package struct Settings: Sendable {
    package var dataDirectory = "./cola-data"
    /// Nil: no Unix socket.
    package var socketPath: String?
    package var socketMode: UInt32 = 0o660
    /// Nil: no TCP listener.
    package var native: Address?
    /// The same for AMQP.
    package var amqp: Address?
    /// The same through TLS.
    package var amqps: Address?
    /// The same for Kafka.
    package var kafka: Address?
    /// Where its clients are told to connect to; nil: to where they did.
    package var kafkaAdvertised: Address?
    /// Of topics that its clients make without saying how many.
    package var kafkaPartitions = 1
    /// Whether topics that its clients ask for are made.
    package var kafkaMakesTopics = true
    /// What it shows of itself; not nil if there is a listener for TLS.
    var tls: TLSFiles?
    /// What of a client's certificate is the name of its user.
    var certificateName = PeerCertificate.Part.distinguishedName
    /// What the server calls itself to clients of AMQP, and its version; nil: what it is.
    package var amqpProduct: (name: String, version: String)?
    /// Whom a server that has no users of its own lets in; nil: the guest.
    package var account: Account?
    package var isDurabilityRelaxed = false
    package var acceptsDamage = false
    package var bodyBytesMax = 16 * 1024 * 1024
    package var amqpBodyBytesMax = 128 * 1024 * 1024
    package var connectionsMax = 10_000
    package var reserveBytes = 40 * 1024 * 1024
    /// 0: no limit. Bytes.
    package var freeDiskMin = 64 * 1024 * 1024
    /// 0: no limit; nil: a share of what the machine has. Bytes.
    package var memoryMax: Int?
    package var limits = Limits()
    package var workers: [WorkerDefinition] = []
    /// Whether workers that name no user may run as root.
    package var runsWorkersAsRoot = false
    /// Of each worker, on the disk; 0: nothing. Bytes.
    package var workerLogBytesMax = 16 * 1024 * 1024
    package var workerLogFilesMax = 4
    /// Of each worker, in memory. Bytes.
    package var workerLogMemoryBytesMax = 256 * 1024
    /// The file that settings were read from; nil: there is none.
    package var configurationPath: String?
    package var logFormat = "text"
    package var logLevel = "info"

    /// What was written, for each setting that does not have its default.
    private(set) var given: [String: String] = [:]

    static let workersAsRoot = "workers-as-root"

    package struct Address: Equatable, Sendable {
        package var host: String
        package var port: Int
    }

    /// What is wrong with a setting, and where it came from.
    package struct Wrong: Error, CustomStringConvertible {
        package var description: String

        package init(description: String) { self.description = description }
    }

    /// - Parameters:
    ///   - arguments: what follows `cola serve`.
    ///   - read: the text of a file, or nil if there is none.
    /// - Throws: ``Wrong``: which setting, from where, and what it may be.
    package init(
        arguments: [String], environment: [String: String], read: (String) throws -> String?
    ) throws {
        var given: [String: (value: String, origin: String)] = [:]
        let flags = try Self.parse(arguments)
        let path = flags["config"] ?? environment["COLA_CONFIG"]
        if let text = try read(path ?? "cola.yaml") {
            let file = path ?? "cola.yaml"
            configurationPath = file
            let parsed = try Self.parse(yaml: text, path: file)
            for (name, value) in parsed.values { given[name] = (value, "\(name) in \(file)") }
            if let node = parsed.workers { workers = try Self.workers(from: node, path: file) }
        } else if let path {
            throw Wrong(description: "there is no file \(path) to read settings from")
        }
        for setting in Setting.all {
            if let value = environment[setting.environmentName] {
                given[setting.name] = (value, setting.environmentName)
            }
            if let value = flags[setting.name] { given[setting.name] = (value, "--\(setting.name)") }
        }
        self.given = given.mapValues(\.value)
        var reader = SettingReader(given: given)
        dataDirectory = try reader.text("data-dir") ?? dataDirectory
        socketMode = UInt32(try reader.number("socket-mode"))
        native = try reader.address("native")
        amqp = try reader.address("amqp")
        amqps = try reader.address("amqps")
        tls = try Self.tls(
            certificate: reader.text("tls-certificate"), key: reader.text("tls-key"),
            authorities: reader.text("tls-ca"), isNeeded: amqps != nil)
        certificateName = try reader.text("tls-user").flatMap(PeerCertificate.Part.init) ?? certificateName
        amqpProduct = try Self.product(reader.text("amqp-product"), origin: reader.origin("amqp-product"))
        kafka = try reader.address("kafka")
        kafkaAdvertised = try reader.text("kafka-advertised") == nil ? nil : reader.address("kafka-advertised")
        kafkaPartitions = Int(try reader.number("kafka-partitions"))
        kafkaMakesTopics = try reader.text("kafka-create-topics") == "yes"
        limits.batchBytesMax = Int(try reader.number("kafka-batch-max"))
        try reader.expectOff("http")
        let socket = try reader.text("socket") ?? "\(dataDirectory)/cola.sock"
        socketPath = socket == "off" ? nil : socket
        account = try Self.account(user: reader.text("default-user"), password: reader.text("default-pass"))
        isDurabilityRelaxed = try reader.text("durability") == "relaxed"
        limits.adoptsArguments = try reader.text("redeclare") == "adopt"
        limits.isDeliveryEarly = try reader.text("early-delivery") == "yes"
        runsWorkersAsRoot = try reader.text(Self.workersAsRoot) == "yes"
        workerLogBytesMax = Int(try reader.number("worker-log-size"))
        workerLogFilesMax = Int(try reader.number("worker-log-files"))
        workerLogMemoryBytesMax = Int(try reader.number("worker-log-memory"))
        acceptsDamage = try reader.text("accept-damage") == "yes"
        bodyBytesMax = Int(try reader.number("body-max"))
        amqpBodyBytesMax = Int(try reader.number("amqp-body-max"))
        connectionsMax = Int(try reader.number("connections-max"))
        reserveBytes = Int(try reader.number("reserve"))
        // On a full disk a batch must fit twice: into the log, and from there into the database.
        if given["reserve"] == nil { reserveBytes = max(reserveBytes, 2 * (bodyBytesMax + limits.gatheringBytesMax)) }
        freeDiskMin = Int(try reader.number("disk-free-min"))
        if given["memory-max"] != nil { memoryMax = Int(try reader.number("memory-max")) }
        limits.pinnedBytesMax = Int(try reader.number("transient"))
        limits.queuesMax = Int(try reader.number("queues-max"))
        limits.consumersPerChannelMax = Int(try reader.number("consumers-max"))
        limits.unackedPerChannelMax = Int(try reader.number("unacked-max"))
        limits.cacheBytesMax = Int(try reader.number("cache"))
        logFormat = try reader.text("log-format") ?? logFormat
        logLevel = try reader.text("log-level") ?? logLevel
        guard socketPath != nil || native != nil || amqp != nil || amqps != nil || kafka != nil else {
            throw Wrong(
                description:
                    "--socket, --native, --amqp, --amqps and --kafka are all off: nobody could reach this server")
        }
    }

    /// Goes by the workers of `new` from now on, and by nothing else of it.
    mutating func takeWorkers(of new: Settings) {
        workers = new.workers
        runsWorkersAsRoot = new.runsWorkersAsRoot
        configurationPath = new.configurationPath
        given[Self.workersAsRoot] = new.given[Self.workersAsRoot]
    }

    /// Goes by the certificates of `new` as well.
    mutating func takeCertificates(of new: Settings) {
        if let files = new.tls { tls = files }
        for name in Self.tlsFiles { given[name] = new.given[name] }
    }

    /// - Parameter folder: what the directories of these workers count from.
    mutating func takeWorkers(_ workers: [WorkerDefinition], folder: String) {
        self.workers = workers
        configurationPath = "\(folder)/cola.yaml"
    }

    private static func account(user: String?, password: String?) throws -> Account? {
        switch (user, password) {
        case (nil, nil): nil
        case (let user?, let password?): Account(user: user, password: password)
        default: throw Wrong(description: "default-user and default-pass go together: set both, or none")
        }
    }

    private static func tls(
        certificate: String?, key: String?, authorities: String?, isNeeded: Bool
    ) throws -> TLSFiles? {
        if let certificate, let key { return TLSFiles(certificate: certificate, key: key, authorities: authorities) }
        guard isNeeded else { return nil }
        let missing = certificate == nil ? "tls-certificate" : "tls-key"
        throw Wrong(
            description: "amqps needs the server's certificate and its key: set \(missing) as well, or amqps to off")
    }

    private static func product(_ text: String?, origin: String) throws -> (name: String, version: String)? {
        guard let text else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
            throw Wrong(description: "\(origin) is '\(text)'; it must be NAME:VERSION, such as RabbitMQ:3.13.7")
        }
        return (parts[0], parts[1])
    }

    /// `--name VALUE`, `--name=VALUE`; a setting that is yes or no may stand alone.
    private static func parse(_ arguments: [String]) throws -> [String: String] {
        var flags: [String: String] = [:]
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                throw Wrong(
                    description: "'\(argument)' is no setting; cola serve takes --NAME VALUE, see cola serve --help")
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let setting = Setting.named(name) else { throw unknown("--\(name)", name) }
            if parts.count == 2 {
                flags[name] = String(parts[1])
            } else if case .yesNo = setting.kind, rest.first.map({ $0.hasPrefix("--") }) ?? true {
                flags[name] = "yes"
            } else if let value = rest.popFirst() {
                flags[name] = value
            } else {
                throw Wrong(description: "--\(name) needs a value: --\(name) \(setting.placeholder)")
            }
        }
        return flags
    }

    private static func parse(
        yaml text: String, path: String
    ) throws -> (values: [String: String], workers: DefinitionNode?) {
        let node: DefinitionNode?
        do {
            node = try YAMLReader.read(text)
        } catch {
            throw Wrong(description: "\(path) cannot be read as YAML: \(error); write lines of the form `name: value`")
        }
        guard let node else { return ([:], nil) }
        guard case .mapping(let mapping) = node else {
            throw Wrong(description: "\(path) must hold lines of the form `name: value`")
        }
        var values: [String: String] = [:]
        var workers: DefinitionNode?
        for (name, value) in mapping {
            if name == "workers" {
                workers = value
                continue
            }
            guard Setting.named(name) != nil else { throw unknown("\(name) in \(path)", name) }
            guard name != "config" else {
                throw Wrong(description: "config in \(path): one file of settings cannot name another; remove the line")
            }
            guard case .scalar(let text) = value else {
                throw Wrong(description: "\(name) in \(path) must be one value")
            }
            values[name] = text
        }
        return (values, workers)
    }

    private static func workers(from node: DefinitionNode, path: String) throws -> [WorkerDefinition] {
        do {
            return try WorkerDefinition.all(from: node)
        } catch {
            throw Wrong(description: "\(path): " + error.errors.map(\.description).joined(separator: "; "))
        }
    }

    private static func unknown(_ origin: String, _ name: String) -> Wrong {
        let near = Spelling.nearest(to: name, among: Setting.all.map(\.name) + ["workers"])
        let hint = near.map { "; did you mean \($0)?" } ?? "; cola serve --help has them all"
        return Wrong(description: "there is no setting \(origin)\(hint)")
    }
}
