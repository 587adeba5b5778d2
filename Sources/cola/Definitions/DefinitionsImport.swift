import ArgumentParser
import ColaClient

/// `cola definitions import`
struct DefinitionsImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make what a file of definitions says.",
        discussion: """
              cola definitions import definitions.json
              cola definitions import --dry-run definitions.json

            All of the file is looked at before anything is made; what is wrong with it is said, and nothing has \
            changed. What is there already stays, and users, permissions and policies of the same name are as the \
            file says afterwards. Passwords are taken over as the hashes that they are. What has no meaning here is \
            said, and left out.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The file; - is standard input.", completion: .file())
    var file: String

    @Flag(name: .long, help: "Look at the file, and change nothing.")
    var dryRun = false

    func run() async throws {
        let bytes: [UInt8]
        do {
            bytes = try FileContents.read(file)
        } catch {
            throw Failure(
                .noInput,
                "\(file) cannot be read: \(error.reason); name a file that is there, or - for standard input")
        }
        let value: JSONValue
        do {
            value = try JSONParser.parse(bytes)
        } catch {
            throw Failure(.badData, "\(file) is not JSON: \(error.sentence), at byte \(error.column)")
        }
        let plan = try await connection.withBroker { client in
            let users = try JSONValue(answer: try await client.list(.users)).list.compactMap { $0["name"].text }
            let hosts = try JSONValue(answer: try await client.list(.vhosts)).list.compactMap { $0["name"].text }
            var reader = DefinitionsReader(users: Set(users), virtualHosts: Set(hosts))
            reader.read(value)
            return reader.plan
        }
        for note in plan.notes { Output.note(note) }
        for problem in plan.problems.dropLast() { Output.note(problem) }
        if let last = plan.problems.last {
            let others = plan.problems.count > 1 ? " (and \(plan.problems.count - 1) more)" : ""
            throw Failure(.badData, "\(last)\(others); nothing was changed")
        }
        if dryRun { return try Output.print("would import \(plan.count)") }
        var count = try await connection.withBroker { client in try await perform(plan.steps, client) }
        for host in plan.hosts {
            count += try await connection.withBroker(virtualHost: host.name) { client in
                try await perform(host.steps, client)
            }
        }
        try Output.print("imported \(count)")
    }

    /// - Returns: how many of them are as they should be.
    private func perform(_ steps: [DefinitionsPlan.Step], _ client: Client) async throws -> Int {
        var count = 0
        for step in steps {
            do {
                try await perform(step, client)
                count += 1
            } catch let error as ColaError where error.code.rawValue == "mismatch" {
                Output.note("\(step.subject) is there already and stays as it is: \(error.message)")
            } catch let error as ColaError where error.code == .notFound && step.isBinding {
                // RabbitMQ writes bindings of exchanges that it does not write.
                Output.note("\(step.subject) is left out: \(error.message)")
            }
        }
        return count
    }

    private func perform(_ step: DefinitionsPlan.Step, _ client: Client) async throws {
        switch step {
        case .virtualHost(let name, let settings): try await client.declareVirtualHost(name, settings)
        case .user(let name, let settings): try await client.setUser(name, settings)
        case .permission(let user, let host, let configure, let write, let read):
            try await client.setPermissions(
                of: user, configure: configure, write: write, read: read, virtualHost: host)
        case .topicPermission(let user, let host, let exchange, let write, let read):
            try await client.setTopicPermissions(
                of: user, exchange: exchange, write: write, read: read, virtualHost: host)
        case .exchange(let name, let options): try await client.declareExchange(name, options: options)
        case .queue(let name, let options): try await client.declareQueue(name, options: options)
        case .topic(let name, let partitions, let arguments):
            try await client.declareTopic(name, partitions: partitions, arguments: arguments)
        case .binding(let source, let destination, let options):
            try await client.bind(exchange: source, to: destination, options: options)
        case .policy(let policy): try await client.setPolicy(policy)
        }
    }
}
