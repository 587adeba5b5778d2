import ArgumentParser
import ColaClient
import ColaNative
import NIOCore

/// `cola import`
struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish the messages of a file that `cola export` wrote.",
        discussion: """
            Reads JSON Lines from --file or standard input, and prints how many messages the broker has confirmed.

              cola export orders > orders.jsonl
              cola import texts --file orders.jsonl
              echo '{"body":"hello","headers":{"lang":"en"}}' | cola import texts

            Bodies, keys, headers and properties are as they were; a record of a topic goes to the partition it was \
            in. What consumers with AMQP see as the properties is what "amqp" says, whatever stands under "headers". \
            Offsets, times and the headers that the broker gives (cola-…) are not kept. A line that is wrong ends \
            it with the line's number; what was before it stays published.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue or topic to publish to.", completion: .names)
    var name: String

    @Option(name: .long, help: ArgumentHelp("Read this file instead of standard input.", valueName: "path"))
    var file: String?

    @Flag(name: .long, help: "Let the keys decide on the partitions of a topic, and not the file.")
    var repartition = false

    @Option(name: .long, help: "How many messages may be on their way unconfirmed.")
    var window = 1000

    func validate() throws {
        guard (1...1_000_000).contains(window) else { throw ValidationError("--window is 1 to 1000000") }
        if file == nil, Terminal.isStandardInput {
            throw ValidationError("nothing to import: give --file or a pipe")
        }
    }

    func run() async throws {
        try MessageSource.checkFiles([path])
        let count = try await connection.withBroker { client in
            let container = try await Container.find(name, client)
            var importing = Importing(name: name, window: window, client: client)
            if case .topic = container, !repartition { importing.keepsPartitions = true }
            do {
                try await publishAll(with: &importing)
                try await importing.confirm(downTo: 0)
            } catch let error as ColaError {
                var error = error
                error.message += importing.progress
                throw error
            } catch let failure as Failure {
                try? await importing.confirm(downTo: 0)
                throw Failure(failure.kind, failure.message + importing.progress)
            }
            return importing.confirmed
        }
        try Output.print("imported \(count)")
    }

    private var path: String { file ?? "-" }

    private func publishAll(with importing: inout Importing) async throws {
        // In JSON a byte of a body takes at most six.
        var source = MessageSource(.files([path]), cut: .lines, messageBytesMax: 128 << 20)
        var number = 0
        while let line = try source.next() {
            number += 1
            if line.readableBytesView.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do {
                try await importing.publish(try MessageRecord.parse(Array(buffer: line)))
            } catch let malformed as MessageRecord.Malformed {
                let place = file ?? "standard input"
                throw Failure(.badData, "line \(number) of \(place) \(malformed.sentence)")
            }
        }
    }
}

/// Messages on their way in: each has properties of its own, so each has a publisher of its own, and confirms are
/// waited for in their order.
private struct Importing {
    let name: String
    let window: Int
    let client: Client
    /// Whether a record's partition is where it goes.
    var keepsPartitions = false
    private(set) var confirmed = 0
    private var unconfirmed: ArraySlice<(publisher: Publisher, bytes: Int)> = []
    private var bytes = 0

    init(name: String, window: Int, client: Client) {
        self.name = name
        self.window = window
        self.client = client
    }

    /// For the end of an error: a script that tries again wants to know what is there already.
    var progress: String { "; \(confirmed) before it were imported" }

    mutating func publish(_ record: MessageRecord.Published) async throws {
        var properties = record.properties
        if !keepsPartitions { properties.partition = nil }
        let template = PublishTemplate(
            routingKey: name, key: record.key, headers: record.headers, properties: properties)
        let publisher = client.publisher(to: .queue(name), window: 1, template: template)
        try await publisher.publish(record.body)
        unconfirmed.append((publisher, record.body.readableBytes))
        bytes += record.body.readableBytes
        while bytes > 16 << 20, unconfirmed.count > 1 { try await confirmFirst() }
        try await confirm(downTo: window - 1)
    }

    mutating func confirm(downTo count: Int) async throws {
        while unconfirmed.count > count { try await confirmFirst() }
    }

    private mutating func confirmFirst() async throws {
        let (publisher, size) = unconfirmed.removeFirst()
        bytes -= size
        try await publisher.confirmAll()
        confirmed += 1
    }
}
