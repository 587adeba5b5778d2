import ArgumentParser
import ColaClient

/// `cola offsets reset`
struct OffsetsReset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Set where a group reads on.",
        discussion: """
              cola offsets reset events audit --to first --yes
              cola offsets reset events audit --to next --yes
              cola offsets reset events audit --to 2 --partition 0 --yes

            The group may have no members meanwhile: they would go on where they are and commit over it. A position \
            outside of what is there is moved to the nearest record.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The topic.", completion: .topics)
    var topic: String

    @Argument(help: "The group.")
    var group: String

    @Option(
        name: .long,
        help: ArgumentHelp(
            "first (all there is), next (what comes from now on), an offset, or @ and milliseconds since 1970.",
            valueName: "position"))
    var to: String

    @Option(name: .long, help: "Only in this partition.")
    var partition: Int?

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    func validate() throws {
        let digits = to.hasPrefix("@") ? to.dropFirst() : to[...]
        guard ["first", "next"].contains(to) || Int64(digits).map({ $0 >= 0 }) ?? false else {
            throw ValidationError("--to is first, next, an offset or @MILLISECONDS, not '\(to)'")
        }
    }

    func run() async throws {
        try await connection.withBroker { client in
            let shape = TopicShape(try JSONValue(answer: try await client.describe(.topic(topic))))
            let described = try JSONValue(answer: try await client.describe(.group(topic: topic, name: group)))
            if let members = described["members"].integer, members > 0 {
                throw Failure(
                    .refused,
                    "the group '\(group)' of '\(topic)' has members (\(members)), which would commit over it; end them "
                        + "first (see `cola consumers '\(topic)'`)")
            }
            let partitions = shape.partitions.filter { partition == nil || $0.number == partition }
            guard !partitions.isEmpty else {
                throw Failure(
                    .refused,
                    "'\(topic)' has no partition \(partition ?? 0); it has \(shape.partitions.count), from 0 on")
            }
            try Confirmation.ask("set \(partitions.count) positions of group '\(group)' to \(to)?", yes: yes)
            for partition in partitions {
                let offset = try await offset(in: partition, client)
                try await client.commit(offset, topic: topic, group: group, partition: partition.number)
                try Output.print("partition \(partition.number) at \(offset)")
            }
        }
    }

    private func offset(in partition: TopicShape.Partition, _ client: Client) async throws -> Int64 {
        switch to {
        case "first": return partition.first
        case "next": return partition.next
        default: break
        }
        if to.hasPrefix("@"), let milliseconds = Int64(to.dropFirst()) {
            return try await offset(atOrAfter: milliseconds, in: partition, client)
        }
        return min(max(Int64(to) ?? 0, partition.first), partition.next)
    }

    /// The first record that the broker took in at that time or later, found by halving: times grow with the offsets.
    private func offset(
        atOrAfter milliseconds: Int64, in partition: TopicShape.Partition, _ client: Client
    ) async throws -> Int64 {
        var (low, high) = (partition.first, partition.next)
        while low < high {
            let middle = low + (high - low) / 2
            let found = try await client.peek(topic, partition: partition.number, from: middle, count: 1).first
            if let found, let time = found.timestampMilliseconds, time < milliseconds {
                low = found.offset + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
