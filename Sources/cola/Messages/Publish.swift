import ArgumentParser
import ColaClient
import NIOCore

/// `cola publish`
struct Publish: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish messages.",
        discussion: """
            Each BODY is one message. Without any, each --file is one, or standard input is. It ends when the broker \
            has confirmed everything, and prints how many messages that were.

              cola publish --queue hello 'first message' 'second message'
              cola publish --queue hello --declare < picture.png
              tail -f app.log | cola publish --queue log --each-line
              cola publish --queue texts --paragraphs --file a.txt --file b.txt
              cola publish --exchange news --routing-key sport --header lang=en goal
              cola publish --topic events --key ana login
              cola publish --queue orders --priority 5 --expiration 60000 urgent

            With --each-line or --paragraphs the input is cut into messages: each line without its line feed, or each \
            run of lines between blank lines. Bodies that begin with - go behind --, as in `-- -1 -2`.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Option(name: [.customShort("q"), .long], help: "Publish to this queue.", completion: .queues)
    var queue: String?

    @Option(name: .long, help: "Publish to this topic instead.", completion: .topics)
    var topic: String?

    @Option(name: .long, help: "Publish to this exchange instead.", completion: .exchanges)
    var exchange: String?

    @Option(name: .long, help: ArgumentHelp("The routing key for --exchange.", valueName: "key"))
    var routingKey: String?

    @OptionGroup(title: "Properties of each message") var properties: PropertyOptions

    @Option(
        name: .long, help: ArgumentHelp("Read this file, - is standard input; may be repeated.", valueName: "path"),
        completion: .file())
    var file: [String] = []

    @Flag(name: .long, help: "Each line of the input is a message.")
    var eachLine = false

    @Flag(name: .long, help: "Each paragraph of the input is a message.")
    var paragraphs = false

    @Option(name: .long, help: "How many messages may be on their way unconfirmed.")
    var window = 1000

    @Flag(name: .long, help: "Make the queue or topic first, if there is none of the name.")
    var declare = false

    @Argument(help: "The messages.")
    var body: [String] = []

    func validate() throws {
        guard [queue, topic, exchange].count(where: { $0 != nil }) == 1 else {
            throw ValidationError("say where to: --queue NAME, --topic NAME or --exchange NAME, one of them")
        }
        if queue == "" || topic == "" { throw ValidationError("the name behind --queue or --topic is empty") }
        if routingKey != nil, exchange == nil {
            throw ValidationError("--routing-key goes with --exchange; for --queue and --topic the name is one")
        }
        if declare, exchange != nil { throw ValidationError("--declare goes with --queue and --topic") }
        if eachLine, paragraphs { throw ValidationError("--each-line and --paragraphs exclude each other") }
        if !body.isEmpty, !file.isEmpty || eachLine || paragraphs {
            throw ValidationError("messages as arguments exclude --file, --each-line and --paragraphs")
        }
        guard (1...1_000_000).contains(window) else { throw ValidationError("--window is 1 to 1000000") }
        if properties.null, !body.isEmpty || !file.isEmpty || eachLine || paragraphs {
            throw ValidationError("--null has no value, so it excludes messages and --file")
        }
        if body.isEmpty, file.isEmpty, !properties.null, Terminal.isStandardInput {
            throw ValidationError("nothing to publish: give messages as arguments, --file, or a pipe")
        }
        _ = try? connection.resolvedURL()
    }

    func run() async throws {
        let destination =
            (queue ?? topic).map { Destination.queue($0) } ?? .exchange(exchange ?? "", routingKey: routingKey ?? "")
        let template = try properties.template(for: destination)
        let count = try await connection.withBroker { client in
            if declare, let queue { try await client.declareQueue(queue) }
            if declare, let topic { try await client.declareTopic(topic) }
            let publisher = client.publisher(to: destination, window: window, template: template)
            do {
                try await publishAll(with: publisher, bodyBytesMax: client.server.bodyBytesMax ?? 16 << 20)
            } catch let error as ColaError {
                throw explained(error, confirmed: publisher.confirmedCount)
            } catch let failure as Failure {
                // The input is at fault and the broker goes on: what came before is stored.
                try? await publisher.confirmAll()
                throw explained(failure, published: publisher.confirmedCount)
            }
            return publisher.confirmedCount
        }
        try Output.print("published \(count)")
    }

    private func publishAll(with publisher: Publisher, bodyBytesMax: Int) async throws {
        if properties.null {
            try await publisher.publish(ByteBuffer())
            return try await publisher.confirmAll()
        }
        let paths = file.isEmpty ? ["-"] : file
        if body.isEmpty { try MessageSource.checkFiles(paths) }
        var source = MessageSource(
            body.isEmpty ? .files(paths) : .arguments(body),
            cut: eachLine ? .lines : paragraphs ? .paragraphs : .none, messageBytesMax: bodyBytesMax)
        let total = body.isEmpty ? MessageSource.size(of: paths) : nil
        let progress = ProgressBar()
        let drawing = Task { await progress.draw() }
        do {
            var published = 0
            while let message = try source.next() {
                try await publisher.publish(message)
                published += 1
                if published.isMultiple(of: 64) || !source.isBuffered {
                    progress.update(done: source.bytesRead, of: total, "\(published) published")
                }
            }
            try await publisher.confirmAll()
        } catch {
            drawing.cancel()
            await drawing.value
            throw error
        }
        drawing.cancel()
        await drawing.value
    }

    /// A script that tries again wants to know what is there already.
    private func explained(_ error: ColaError, confirmed: Int) -> ColaError {
        var error = error
        if confirmed > 0 { error.message += "; \(confirmed) messages before were confirmed" }
        return error
    }

    private func explained(_ failure: Failure, published: Int) -> Failure {
        guard published > 0 else { return failure }
        return Failure(failure.kind, failure.message + "; \(published) messages before it were published")
    }
}
