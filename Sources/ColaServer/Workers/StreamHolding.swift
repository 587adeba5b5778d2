internal import ColaCore
internal import DequeModule

/// What one process of mode `stream` was given and has not answered.
///
/// The numbers of deliveries grow, by one with each as a rule, so what is held is found by its distance from the first.
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

    private struct Place {
        let tag: DeliveryTag
        /// Nil: it is settled.
        var held: Held?
    }

    /// In the order of their numbers. Of those that are settled some are left.
    private var places: Deque<Place> = []
    /// How many of them the process has not answered.
    private(set) var unanswered = 0
    /// How many it has answered that are not settled yet.
    private(set) var answered = 0

    /// How many are the process's affair.
    var count: Int { unanswered + answered }

    /// How many places there are, those of settled ones among them.
    var placeCount: Int { places.count }

    /// The one that it has had for longest.
    var oldest: Held? { places.lazy.compactMap(\.held).first { !$0.isAnswered } }

    mutating func add(_ held: Held, as tag: DeliveryTag) {
        places.append(Place(tag: tag, held: held))
        unanswered += 1
    }

    subscript(_ tag: DeliveryTag) -> Held? { index(of: tag).flatMap { places[$0].held } }

    /// The process has said what is to become of it; it is removed when that has happened.
    mutating func answer(_ tag: DeliveryTag) {
        guard let index = index(of: tag), places[index].held?.isAnswered == false else { return }
        places[index].held?.isAnswered = true
        unanswered -= 1
        answered += 1
    }

    mutating func remove(_ tag: DeliveryTag) {
        guard let index = index(of: tag), let gone = places[index].held else { return }
        if gone.isAnswered { answered -= 1 } else { unanswered -= 1 }
        places[index].held = nil
        while let next = places.first, next.held == nil { places.removeFirst() }
        // Behind one that takes long, any number of others may have been answered.
        if places.count > 2 * count + 256 { places.removeAll { $0.held == nil } }
    }

    /// Those of the range that the process has not answered.
    func unanswered(in range: ClosedRange<DeliveryTag>) -> [DeliveryTag] {
        places[index(atOrAfter: range.lowerBound)...].prefix { $0.tag <= range.upperBound }
            .filter { $0.held?.isAnswered == false }.map(\.tag)
    }

    /// Those of the range that the process has not answered, as runs without a gap.
    func runs(of range: ClosedRange<UInt64>) -> [ClosedRange<UInt64>] {
        // Nearly all name one.
        if range.lowerBound == range.upperBound {
            return self[DeliveryTag(range.lowerBound)]?.isAnswered == false ? [range] : []
        }
        var runs: [ClosedRange<UInt64>] = []
        for tag in unanswered(in: DeliveryTag(range.lowerBound)...DeliveryTag(range.upperBound)) {
            let number = tag.rawValue
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
        for place in places {
            guard let one = place.held, !one.isAnswered else { continue }
            if one.begin < read {
                seen = (seen?.lowerBound ?? place.tag)...place.tag
            } else {
                unseen = (unseen?.lowerBound ?? place.tag)...place.tag
            }
        }
        return (seen, unseen)
    }

    private func index(of tag: DeliveryTag) -> Int? {
        let index = index(atOrAfter: tag)
        return index < places.count && places[index].tag == tag ? index : nil
    }

    private func index(atOrAfter tag: DeliveryTag) -> Int {
        guard let first = places.first, first.tag < tag else { return 0 }
        // Nothing is missing as a rule, so the first guess is nearly always right.
        let guess = Int(clamping: tag.rawValue - first.tag.rawValue)
        if guess < places.count, places[guess].tag == tag { return guess }
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle].tag < tag { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
