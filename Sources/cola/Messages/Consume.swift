import ArgumentParser
import ColaClient

/// `cola consume`
struct Consume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Consume messages and print them.",
        discussion: """
            Prints the body of each message and a line feed, and acknowledges a message only after it was written out. \
            Stops when the queue is drained; with --count after so many messages, waiting for them; with --follow at ^C.

              cola consume --queue hello
              cola consume -q hello --follow | while read -r m; do echo "got $m"; done
              cola consume --queue hello --count 10 --idle-timeout 30 --json
              cola consume --topic events --from first
              cola consume --topic events --group audit --follow

            With --group it is a member of a consumer group: the members share the partitions of the topic, each is \
            told on standard error what it reads, and what was written out is committed as the group's position. When \
            a member ends the others read on from there.

            What was written into a pipe counts as printed, also when the program behind it stops reading: with `head` \
            and the like say --count.

            A topic counts as drained when nothing has come for half a second. Look at messages without taking them \
            with `cola peek`, take a single one with `cola get`, and see the last ones of a topic with `cola tail`.
            """)

    /// As the protocol writes them.
    enum Strategy: String, ExpressibleByArgument, CaseIterable {
        case range, roundrobin, sticky

        var assignment: AssignmentStrategy {
            switch self {
            case .range: .range
            case .roundrobin: .roundRobin
            case .sticky: .sticky
            }
        }
    }

    @OptionGroup var connection: ConnectionOptions

    @Option(
        name: [.customShort("q"), .customLong("queue"), .customLong("topic")],
        help: "The queue or topic.", completion: .names)
    var queue: String

    @Option(name: .shortAndLong, help: "Stop after so many messages.")
    var count: Int?

    @Flag(name: .shortAndLong, help: "Wait for more when the queue is drained.")
    var follow = false

    @Option(name: .long, help: ArgumentHelp("Stop when nothing has come for so long.", valueName: "seconds"))
    var idleTimeout: Double?

    @Option(name: .long, help: "How many messages may be here unacknowledged.")
    var prefetch = 100

    @Flag(name: .long, help: "Print one JSON object a message, with its offset, key and headers.")
    var json = false

    @Flag(
        name: .long,
        help: "Acknowledge nothing: all of it goes back to the queue, marked as redelivered; a group commits nothing.")
    var noAck = false

    @Option(
        name: .long,
        help: """
            Where to begin in a topic: first, last, next, an offset, or @ and milliseconds since 1970. A group begins \
            there where it has committed nothing.
            """)
    var from: String?

    @Option(name: .long, help: ArgumentHelp("Share the topic with the other members of a group.", valueName: "name"))
    var group: String?

    @Option(name: .long, help: "How a group shares its topic, the same for all members. (default: range)")
    var strategy: Strategy?

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is 1 or more") }
        if let idleTimeout, !(0...1e9 ~= idleTimeout) { throw ValidationError("--idle-timeout is 0 or more seconds") }
        guard (1...65_535).contains(prefetch) else { throw ValidationError("--prefetch is 1 to 65535") }
        if let from, position == nil {
            throw ValidationError("--from is first, last, next, an offset or @MILLISECONDS, not '\(from)'")
        }
        if group?.isEmpty == true { throw ValidationError("--group is a name of 1 to 255 bytes") }
        if strategy != nil, group == nil {
            throw ValidationError("--strategy is how the members of a group share a topic: add --group NAME")
        }
        if noAck, let count, count > 65_535 { throw ValidationError("--no-ack holds at most 65535 messages") }
    }

    private var position: ReadingPosition? {
        switch from {
        case nil: return nil
        case "first": return .first
        case "last": return .last
        case "next": return .next
        case let text?:
            guard let number = Int64(text.hasPrefix("@") ? text.dropFirst() : text[...]), number >= 0 else {
                return nil
            }
            return text.hasPrefix("@") ? .time(milliseconds: number) : .offset(number)
        }
    }

    func run() async throws {
        if let group { return try await consume(asMemberOf: group) }
        try await connection.withBroker(isWorker: true) { client in
            // What is not acknowledged stays within the prefetch, so without acknowledgements it bounds everything.
            let room = noAck ? 65_535 : prefetch
            let deliveries = try await client.consume(queue, prefetch: room, limit: count, from: from)
            // What is here already is still printed and acknowledged; nothing more is asked for.
            let signals = StopSignals { _ in Task { try? await deliveries.cancel() } }
            defer { withExtendedLifetime(signals) {} }
            var printer = DeliveryPrinter(client: client, format: json ? .json : .body, isAcknowledging: !noAck)
            do {
                try await printAll(deliveries, client, &printer)
                try await printer.settle()
            } catch is Output.BrokenPipe {
                // Whoever read has seen enough. What was written is acknowledged, the rest goes back.
                try? await client.settled()
            }
        }
    }

    private func consume(asMemberOf group: String) async throws {
        let stop = StopFlag()
        // What was printed is still committed, and then the others get the partitions.
        let signals = StopSignals { _ in stop.set() }
        defer { withExtendedLifetime(signals) {} }
        try await connection.withBroker(isWorker: true) { client in
            let member = try await client.join(
                group, of: queue, strategy: (strategy ?? .range).assignment, from: position, prefetch: prefetch)
            var consumption = GroupConsumption(
                member: member, format: json ? .json : .body, isCommitting: !noAck, stop: stop)
            try await consumption.run(
                until: GroupConsumption.End(count: count, isFollowing: follow, idleTimeout: idleTimeout))
        }
    }

    private func printAll(_ deliveries: Deliveries, _ client: Client, _ printer: inout DeliveryPrinter) async throws {
        var idleSince = monotonicNanoseconds()
        while printer.count < count ?? (noAck ? 65_535 : .max) {
            if !deliveries.isReady { try printer.flush() }
            switch try await deliveries.next(within: waitMilliseconds(idleSince: idleSince)) {
            case .delivery(let delivery):
                try printer.print(delivery)
                if !deliveries.isReady { idleSince = monotonicNanoseconds() }
            case .ended: return
            case .idle:
                if let idleTimeout, Double(monotonicNanoseconds() - idleSince) >= idleTimeout * 1e9 { return }
                guard !follow, count == nil else { continue }
                switch try await probe(client, idleSince: idleSince) {
                case .idle: continue
                case .delivery(let delivery):
                    try await print(delivery, inItsPlaceAmong: deliveries, &printer)
                    idleSince = monotonicNanoseconds()
                case .ended:
                    // What was on its way when the server answered is here now, and no less part of the queue.
                    guard deliveries.isReady else { return }
                }
            }
        }
    }

    /// Asks whether the queue is drained, which only the server knows: `.ended` if it is, else what `get` brought.
    private func probe(_ client: Client, idleSince: Int64) async throws -> Deliveries.Next {
        do {
            return try await client.get(queue).map { .delivery($0) } ?? .ended
        } catch let error as ColaError where error.code == .mismatch {
            // A topic: reading takes nothing away, so it is never empty.
            return monotonicNanoseconds() - idleSince > 500_000_000 ? .ended : .idle
        }
    }

    /// The server may send to the consumer before and after it answers `get`, and numbers what it sends in the order
    /// of the queue. All that was sent before is here already.
    private func print(
        _ probed: Delivery, inItsPlaceAmong deliveries: Deliveries, _ printer: inout DeliveryPrinter
    ) async throws {
        while deliveries.isReady, case .delivery(let delivery) = try await deliveries.next() {
            guard delivery.number < probed.number else {
                try printer.print(probed)
                return try printer.print(delivery)
            }
            try printer.print(delivery)
        }
        try printer.print(probed)
    }

    private func waitMilliseconds(idleSince: Int64) -> Int64? {
        if !follow, count == nil { return 20 }
        guard let idleTimeout else { return nil }
        let left = idleTimeout * 1000 - Double(monotonicNanoseconds() - idleSince) / 1e6
        return Int64(max(1, left.rounded(.up)))
    }
}

/// Writes deliveries out and acknowledges those that the kernel has taken, a run of them at a time.
private struct DeliveryPrinter {
    let client: Client
    let format: MessageFormat
    let isAcknowledging: Bool
    private(set) var count = 0
    private var output = Output.standard()
    private var unacknowledged: ClosedRange<Int64>?

    init(client: Client, format: MessageFormat, isAcknowledging: Bool) {
        self.client = client
        self.format = format
        self.isAcknowledging = isAcknowledging
    }

    mutating func print(_ delivery: Delivery) throws {
        count += 1
        output.append { format.append(delivery.message, to: &$0) }
        // One connection and one reader: what comes in between is of nobody else.
        unacknowledged = (unacknowledged?.lowerBound ?? delivery.number)...delivery.number
        if output.pending.count >= 65_536 { try flush() }
    }

    mutating func flush() throws {
        guard let written = unacknowledged else { return }
        try output.flush()
        unacknowledged = nil
        if isAcknowledging { try client.ack(through: written) }
    }

    mutating func settle() async throws {
        try flush()
        if isAcknowledging { try await client.settled() }
    }
}
