import ArgumentParser
import ColaClient
import ColaNative
import NIOCore

/// What every message of one `cola publish` carries beside its body.
struct PropertyOptions: ParsableArguments {
    @Option(name: .long, help: "The record's key: in a topic, one key is always in one partition.")
    var key: String?

    @Option(name: .long, help: ArgumentHelp("A header; may be repeated.", valueName: "name=value"))
    var header: [String] = []

    @Option(name: .long, help: "In a queue with --max-priority the higher goes first, 0 to 255.")
    var priority: Int?

    @Option(name: .long, help: ArgumentHelp("It expires when it has waited so long.", valueName: "ms"))
    var expiration: Int64?

    @Option(name: .long, help: ArgumentHelp("It is put into its queue when so much time has passed.", valueName: "ms"))
    var delay: Int64?

    @Option(
        name: .long,
        help: ArgumentHelp("By which a queue with a deduplication window knows it again.", valueName: "id"))
    var messageId: String?

    @Option(name: .long, help: ArgumentHelp("The queue that an answer is expected in.", valueName: "queue"))
    var replyTo: String?

    @Option(name: .long, help: ArgumentHelp("What an answer is to carry.", valueName: "id"))
    var correlationId: String?

    @Option(name: .long, help: "The partition of a topic, where the key is not to decide.")
    var partition: Int?

    @Flag(name: .long, help: "One record without a value: in a compacted topic it takes its key away.")
    var null = false

    @Flag(
        name: .customLong("no-mandatory"),
        help: "Drop what leads nowhere, as the protocol's mandatory=no does; else it is an error.")
    var isDroppedWhereItLeadsNowhere = false

    func validate() throws {
        if let priority, !(0...255).contains(priority) { throw ValidationError("--priority is 0 to 255") }
        for (option, value) in [("--expiration", expiration), ("--delay", delay)] {
            if let value, !(0...Self.millisecondsMax).contains(value) {
                throw ValidationError(
                    "\(option) is 0 to \(Self.millisecondsMax) milliseconds, which is a hundred years")
            }
        }
        let names = [("--message-id", messageId), ("--reply-to", replyTo), ("--correlation-id", correlationId)]
        for (option, value) in names {
            if let value, !(1...255).contains(value.utf8.count) {
                throw ValidationError("\(option) has 1 to 255 bytes")
            }
        }
        if let partition, !(0...999).contains(partition) { throw ValidationError("--partition is 0 to 999") }
        if partition != nil, delay != nil { throw ValidationError("--partition and --delay exclude each other") }
        _ = try HeaderArguments.parse(header)
    }

    /// The longest delay or life that the broker takes.
    private static let millisecondsMax: Int64 = 3_155_760_000_000

    /// The longest line that the broker takes. It closes the connection at a longer one.
    private static let lineBytesMax = 65_536

    func template(for destination: Destination) throws -> PublishTemplate {
        var properties = PublishProperties()
        properties.priority = priority.flatMap { UInt8(exactly: $0) }
        properties.timeToLive = expiration
        properties.delay = delay
        properties.id = messageId
        properties.replyTo = replyTo
        properties.correlationID = correlationId
        properties.partition = partition
        properties.isNull = null
        let template = PublishTemplate(
            routingKey: destination.routingKey, exchange: destination.exchange, key: key.map { Array($0.utf8) },
            headers: try HeaderArguments.parse(header).map { ($0.name, $0.bytes) },
            isMandatory: !isDroppedWhereItLeadsNowhere, properties: properties)
        var line = ByteBuffer()
        template.write(body: ByteBuffer(), tag: .max, to: &line)
        guard line.readableBytes <= Self.lineBytesMax else {
            throw Failure(
                .usage,
                "--key, --header and the like make \(line.readableBytes) bytes together, and the broker takes "
                    + "\(Self.lineBytesMax); what is long belongs into the body")
        }
        return template
    }
}
