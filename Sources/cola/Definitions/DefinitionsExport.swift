import ArgumentParser
import ColaClient
import ColaCore

/// `cola definitions export`
struct DefinitionsExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write all that is defined to a file, or to standard output.",
        discussion: """
              cola definitions export definitions.json
              cola definitions export | jq '.queues[].name'

            Hashes of passwords are in it, so the file is for its owner alone. Those that were made here mean nothing \
            to RabbitMQ; neither do topics, which it passes over.
            """)

    @OptionGroup var connection: ConnectionOptions

    @ArgumentParser.Argument(help: "The file to write; one that is there is replaced. Without it: standard output.")
    var file: String?

    func run() async throws {
        var members: [JSONValue.Member] = []
        let hosts = try await connection.withBroker { client in
            members.append(.init(name: "rabbit_version", value: .text("3.13.0")))
            members.append(.init(name: "users", value: .list(try await users(client))))
            let hosts = try await rows(.vhosts, client)
            members.append(.init(name: "vhosts", value: .list(hosts.map(virtualHost))))
            members.append(.init(name: "permissions", value: .list(try await rows(.permissions, client))))
            members.append(.init(name: "topic_permissions", value: .list(try await rows(.topicPermissions, client))))
            return hosts
        }
        members.append(.init(name: "parameters", value: .list(hosts.compactMap(limits))))
        members.append(.init(name: "global_parameters", value: .list([])))
        var inside = Inside()
        for name in hosts.compactMap({ $0["name"].text }) {
            inside = try await connection.withBroker(virtualHost: name) { client in
                var inside = inside
                try await inside.add(name, client)
                return inside
            }
        }
        members += [
            .init(name: "policies", value: .list(inside.policies)), .init(name: "queues", value: .list(inside.queues)),
            .init(name: "topics", value: .list(inside.topics)),
            .init(name: "exchanges", value: .list(inside.exchanges)),
            .init(name: "bindings", value: .list(inside.bindings)),
        ]
        let text = JSONValue.object(members).json
        guard let file else { return try Output.print(text) }
        try FileContents.writePrivately(text + "\n", to: file)
    }

    private func rows(_ listing: Client.Listing, _ client: Client) async throws -> [JSONValue] {
        try JSONValue(answer: try await client.list(listing)).list
    }

    private func users(_ client: Client) async throws -> [JSONValue] {
        let rows = try await rows(.users, client)
        return try await self.rows(.passwordHashes, client).map { row in
            let user = rows.first { $0["name"] == row["name"] } ?? .null
            let hash = row["hash"].text.flatMap { PasswordHash(text: $0) }?.rabbitMQ
            return .object([
                .init(name: "name", value: row["name"]),
                .init(name: "password_hash", value: .text(hash?.hash ?? "")),
                .init(
                    name: "hashing_algorithm", value: .text(hash?.algorithm ?? "rabbit_password_hashing_sha256")),
                .init(name: "tags", value: user["tags"]),
                .init(
                    name: "limits",
                    value: .object(["max-connections", "max-channels"].compactMap { limit($0, of: user) })),
            ])
        }
    }

    private func limit(_ name: String, of row: JSONValue) -> JSONValue.Member? {
        row[name] == .null ? nil : .init(name: name, value: row[name])
    }

    private func virtualHost(_ row: JSONValue) -> JSONValue {
        var metadata: [JSONValue.Member] = [
            .init(name: "description", value: row["description"]), .init(name: "tags", value: row["tags"]),
        ]
        if row["default-queue-type"] != .null {
            metadata.append(.init(name: "default_queue_type", value: row["default-queue-type"]))
        }
        return .object([
            .init(name: "name", value: row["name"]), .init(name: "limits", value: .list([])),
            .init(name: "metadata", value: .object(metadata)),
        ])
    }

    /// A parameter, as RabbitMQ keeps them.
    private func limits(_ row: JSONValue) -> JSONValue? {
        let limits = ["max-connections", "max-queues"].compactMap { limit($0, of: row) }
        guard !limits.isEmpty else { return nil }
        return .object([
            .init(name: "component", value: .text("vhost-limits")), .init(name: "name", value: .text("limits")),
            .init(name: "vhost", value: row["name"]), .init(name: "value", value: .object(limits)),
        ])
    }

    /// What is in the virtual hosts.
    private struct Inside: Sendable {
        var policies: [JSONValue] = []
        var queues: [JSONValue] = []
        var topics: [JSONValue] = []
        var exchanges: [JSONValue] = []
        var bindings: [JSONValue] = []

        mutating func add(_ host: String, _ client: Client) async throws {
            let vhost = JSONValue.Member(name: "vhost", value: .text(host))
            for row in try JSONValue(answer: try await client.list(.policies)).list {
                policies.append(
                    .object([
                        vhost, .init(name: "name", value: row["name"]), .init(name: "pattern", value: row["pattern"]),
                        .init(name: "apply-to", value: row["to"]), .init(name: "priority", value: row["priority"]),
                        .init(name: "definition", value: .object(arguments(row["arguments"], ""))),
                    ]))
            }
            for row in try JSONValue(answer: try await client.list(.queues)).list {
                guard let name = row["name"].text else { continue }
                try await add(queue: name, vhost, client)
            }
            for row in try JSONValue(answer: try await client.list(.topics)).list {
                guard let name = row["name"].text else { continue }
                let topic = try JSONValue(answer: try await client.describe(.topic(name)))
                topics.append(
                    .object([
                        vhost, .init(name: "name", value: .text(name)),
                        .init(name: "partitions", value: row["partitions"]),
                        .init(name: "arguments", value: .object(arguments(topic["arguments"], ""))),
                    ]))
            }
            for row in try JSONValue(answer: try await client.list(.exchanges)).list {
                guard let name = row["name"].text, !name.hasPrefix("amq."), !name.isEmpty else { continue }
                exchanges.append(exchange(row, vhost))
            }
            for row in try JSONValue(answer: try await client.list(.bindings)).list {
                var compared = row["headers"].members
                if row["match"] != .null { compared.insert(.init(name: "x-match", value: row["match"]), at: 0) }
                bindings.append(
                    .object([
                        vhost, .init(name: "source", value: row["source"]),
                        .init(name: "destination", value: row["destination"]),
                        .init(name: "destination_type", value: row["to"]),
                        .init(name: "routing_key", value: row["key"]),
                        .init(name: "arguments", value: .object(compared)),
                    ]))
            }
        }

        private mutating func add(queue name: String, _ vhost: JSONValue.Member, _ client: Client) async throws {
            let queue = try JSONValue(answer: try await client.describe(.queue(name)))
            // They end with their connections.
            guard queue["exclusive"] != .truth(true) else { return }
            let type = queue["arguments"]["queue-type"].text ?? "classic"
            queues.append(
                .object([
                    vhost, .init(name: "name", value: .text(name)), .init(name: "durable", value: queue["durable"]),
                    .init(name: "auto_delete", value: queue["auto-delete"]), .init(name: "type", value: .text(type)),
                    .init(name: "arguments", value: .object(arguments(queue["arguments"], "x-"))),
                ]))
        }

        private func exchange(_ row: JSONValue, _ vhost: JSONValue.Member) -> JSONValue {
            let isDelayed = row["delayed"] == .truth(true)
            var arguments = row["arguments"].members
            if row["alternate"] != .null {
                arguments.append(.init(name: ExchangeArgument.alternate, value: row["alternate"]))
            }
            if isDelayed { arguments.append(.init(name: ExchangeArgument.delayedType, value: row["type"])) }
            return .object([
                vhost, .init(name: "name", value: row["name"]),
                .init(name: "type", value: isDelayed ? .text(ExchangeDefinition.delayedType) : row["type"]),
                .init(name: "durable", value: row["durable"]),
                .init(name: "auto_delete", value: row["auto-delete"]),
                .init(name: "internal", value: row["internal"]),
                .init(name: "arguments", value: .object(arguments)),
            ])
        }

        /// Numbers and truth as what they are.
        private func arguments(_ value: JSONValue, _ prefix: String) -> [JSONValue.Member] {
            value.members.map { member in
                let text = member.value.text ?? ""
                let typed: JSONValue =
                    switch member.name {
                    case "dead-letter-exchange", "dead-letter-routing-key", "alternate-exchange", "retry": .text(text)
                    case "single-active-consumer": .truth(text == "yes")
                    default: Int64(text).map { .number("\($0)") } ?? .text(text)
                    }
                return .init(name: prefix + member.name, value: typed)
            }
        }
    }
}
