/// The partitions of a topic, and which offsets are in them.
struct TopicShape: Sendable {
    struct Partition: Sendable {
        var number: Int
        /// The first offset that may be there.
        var first: Int64
        /// The offset that the next record gets.
        var next: Int64
    }

    let partitions: [Partition]

    /// - Parameter description: what the broker says of the topic.
    init(_ description: JSONValue) {
        partitions = description["logs"].list.map { log in
            Partition(
                number: Int(log["partition"].integer ?? 0), first: log["first"].integer ?? 0,
                next: log["next"].integer ?? 0)
        }
    }
}
