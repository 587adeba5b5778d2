internal import ColaCore
internal import DequeModule

/// What one process of mode `stream` was given and has not answered.
///
/// The numbers of deliveries grow by one with each, so what is held is found by its distance from the first.
struct StreamHolding {
    struct Held {
        let offset: Offset
        let began: Timestamp
        let since: Instant
        /// How many deliveries had failed before.
        let failures: Int
        /// Where its answer goes, if it says so itself.
        let reply: Reply?
        /// Where it begins in all that the process was given. Bytes.
        let begin: Int
        /// The process has answered, and what follows from that is under way.
        var isAnswered = false
    }

    /// Names a place for an answer, and what it is to be known by there.
    final class Reply {
        let queue: String?
        let correlationID: ArraySlice<UInt8>?

        /// Nil: the message says nothing of it.
        init?(_ delivery: Delivery) {
            guard delivery.entry.headerCount > 0 else { return nil }
            let headers = delivery.data[delivery.entry.headers.range].withUnsafeBytes { RecordHeaders.decode($0) } ?? []
            func value(_ header: BrokerHeader) -> ArraySlice<UInt8>? {
                headers.first { BrokerHeader($0.name) == header }?.value
            }
            queue = value(.replyTo).map { String(decoding: $0, as: UTF8.self) }
            correlationID = value(.correlationID)
            guard queue != nil || correlationID != nil else { return nil }
        }
    }

    private var first = DeliveryTag(1)
    private var held: Deque<Held?> = []
    /// How many of them the process has not answered.
    private(set) var unanswered = 0
    /// How many it has answered that are not settled yet.
    private(set) var answered = 0

    /// How many are the process's affair.
    var count: Int { unanswered + answered }

    /// The one that it has had for longest.
    var oldest: Held? { held.lazy.compactMap { $0 }.first { !$0.isAnswered } }

    mutating func add(_ held: Held, as tag: DeliveryTag) {
        if self.held.isEmpty { first = tag }
        // What went back on its way here has numbers as well.
        while first.rawValue + UInt64(self.held.count) < tag.rawValue { self.held.append(nil) }
        self.held.append(held)
        unanswered += 1
    }

    subscript(_ tag: DeliveryTag) -> Held? {
        guard let index = index(of: tag) else { return nil }
        return held[index]
    }

    /// The process has said what is to become of it; it is removed when that has happened.
    mutating func answer(_ tag: DeliveryTag) {
        guard let index = index(of: tag), held[index]?.isAnswered == false else { return }
        held[index]?.isAnswered = true
        unanswered -= 1
        answered += 1
    }

    mutating func remove(_ tag: DeliveryTag) {
        guard let index = index(of: tag), let gone = held[index] else { return }
        if gone.isAnswered { answered -= 1 } else { unanswered -= 1 }
        held[index] = nil
        while let next = held.first, next == nil {
            held.removeFirst()
            first = first.next
        }
    }

    /// Those of the range that the process has not answered, as runs without a gap.
    func runs(of range: ClosedRange<UInt64>) -> [ClosedRange<UInt64>] {
        if range.lowerBound == range.upperBound {
            guard let one = self[DeliveryTag(range.lowerBound)], !one.isAnswered else { return [] }
            return [range]
        }
        let from = max(range.lowerBound, first.rawValue)
        let end = min(range.upperBound, first.rawValue + UInt64(held.count) - (held.isEmpty ? 0 : 1))
        guard !held.isEmpty, from <= end else { return [] }
        var runs: [ClosedRange<UInt64>] = []
        for number in from...end {
            guard let one = held[Int(number - first.rawValue)], !one.isAnswered else { continue }
            if let last = runs.last, last.upperBound + 1 == number {
                runs[runs.count - 1] = last.lowerBound...number
            } else {
                runs.append(number...number)
            }
        }
        return runs
    }

    /// All that it has not answered: those that it has seen any of, and those that it never read. Each is nil if there
    /// are none; nothing else lies between the first and the last of them, as long as no answer is under way.
    ///
    /// - Parameter read: how many bytes of what it was given it has read, at most.
    func leftovers(read: Int) -> (seen: ClosedRange<DeliveryTag>?, unseen: ClosedRange<DeliveryTag>?) {
        var (seen, unseen): (ClosedRange<DeliveryTag>?, ClosedRange<DeliveryTag>?)
        for (index, one) in held.enumerated() {
            guard let one, !one.isAnswered else { continue }
            let tag = DeliveryTag(first.rawValue + UInt64(index))
            if one.begin < read {
                seen = (seen?.lowerBound ?? tag)...tag
            } else {
                unseen = (unseen?.lowerBound ?? tag)...tag
            }
        }
        return (seen, unseen)
    }

    private func index(of tag: DeliveryTag) -> Int? {
        guard tag >= first, tag.rawValue - first.rawValue < UInt64(held.count) else { return nil }
        return Int(tag.rawValue - first.rawValue)
    }
}
