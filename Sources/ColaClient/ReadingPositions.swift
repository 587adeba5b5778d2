/// Where a reader stands in each partition: what it must be sent again after a lost connection, and what not.
struct ReadingPositions: Sendable {
    /// Where it begins in partitions that nothing is known of.
    private(set) var from: String?
    /// Where it goes on, as the protocol writes it.
    private var resume: [Int: String] = [:]
    /// The highest offset that came.
    private var highest: [Int: Int64] = [:]
    /// Offsets below are left over from before a seek.
    private var lowest: [Int: Int64] = [:]
    private var lowestElsewhere: Int64 = 0
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

    /// Whether it is to be read, and not left over from before a seek to an offset above.
    func expects(_ record: StoredMessage) -> Bool { record.offset >= lowest[record.partition] ?? lowestElsewhere }

    mutating func seek(to position: ReadingPosition, partition: Int?) {
        var floor: Int64 = 0
        if case .offset(let offset) = position { floor = offset }
        if let partition {
            resume[partition] = position.text
            lowest[partition] = floor
        } else {
            from = position.text
            resume = [:]
            lowest = [:]
            lowestElsewhere = floor
        }
    }

    mutating func assign(_ assignment: Assignment) {
        self.assignment = assignment
        forgetOrder()
    }

    /// What comes next may stand anywhere.
    mutating func forgetOrder() {
        highest = [:]
        lowest = [:]
        lowestElsewhere = 0
    }
}
