/// Where a reader stands in each partition: what it must be sent again after a lost connection, and what not.
struct ReadingPositions: Sendable {
    /// Where it begins in partitions that nothing is known of.
    private(set) var from: String?
    /// Where it goes on, as the protocol writes it.
    private var resume: [Int: String] = [:]
    /// The highest offset that came.
    private var highest: [Int: Int64] = [:]
    /// What a member of a group was told last.
    private(set) var assignment: Assignment?

    init(from: String?) { self.from = from }

    /// Where each partition that was read goes on, by partition.
    var seeks: [(partition: Int, position: String)] {
        resume.sorted { $0.key < $1.key }.map { (partition: $0.key, position: $0.value) }
    }

    mutating func took(_ record: StoredMessage) { resume[record.partition] = "\(record.offset + 1)" }

    /// Whether the record is not above those that came before it.
    mutating func goesBack(_ record: StoredMessage) -> Bool {
        let before = highest.updateValue(record.offset, forKey: record.partition)
        return before.map { record.offset <= $0 } ?? false
    }

    mutating func seek(to position: ReadingPosition, partition: Int?) {
        if let partition {
            resume[partition] = position.text
        } else {
            from = position.text
            resume = [:]
        }
    }

    mutating func assign(_ assignment: Assignment) {
        self.assignment = assignment
        forgetOrder()
    }

    /// What comes next may stand anywhere.
    mutating func forgetOrder() { highest = [:] }
}
