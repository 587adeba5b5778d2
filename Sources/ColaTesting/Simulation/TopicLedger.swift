internal import NIOCore

/// What clients saw of one topic: each record at its offset for ever, and every reader without a gap.
final class TopicLedger {
    let place: Place
    private var messages: [Int64: Int] = [:]
    private var offsets: [Int: Int64] = [:]
    private(set) var readers: [TopicReader] = []
    /// What the last reader found, which read all of it.
    private(set) var final: [(offset: Int64, message: Int)] = []

    init(place: Place) { self.place = place }

    func add(_ reader: TopicReader) { readers.append(reader) }

    func holds(_ message: Int) -> Bool { offsets[message] != nil }

    /// An offset that somebody saw.
    func knownOffset(_ pick: ([Int64]) -> Int64?) -> Int64? { pick(messages.keys.sorted()) }

    /// - Returns: what is wrong with it.
    func see(_ message: Int, at offset: Int64) -> String? {
        if let other = messages[offset], other != message {
            return "offset \(offset) of \(place.name) was message \(other) and is message \(message)"
        }
        if let before = offsets[message], before != offset {
            return "message \(message) of \(place.name) is at offset \(before) and at \(offset)"
        }
        messages[offset] = message
        offsets[message] = offset
        return nil
    }

    /// - Returns: what is wrong.
    func finish() -> [String] {
        guard let last = readers.last else { return ["nobody read \(place.name)"] }
        final = last.received
        var wrong: [String] = []
        if final.count != messages.count {
            wrong.append("\(place.name) ends with \(final.count) records, and \(messages.count) were seen of it")
        }
        for reader in readers { if let sentence = check(reader) { wrong.append(sentence) } }
        return wrong
    }

    private func check(_ reader: TopicReader) -> String? {
        guard let first = reader.received.first else { return nil }
        let all = final
        guard let begin = all.firstIndex(where: { $0.offset == first.offset }) else {
            return "a record of \(place.name) at \(first.offset) was read by \(reader.name), and is gone"
        }
        if let starts = reader.starts {
            let possible = starts.map { start in all.firstIndex { $0.offset >= start } ?? all.count }
            if !possible.contains(begin) {
                return "\(reader.name) of \(place.name) began at \(first.offset) instead of \(starts)"
            }
        }
        for (index, record) in reader.received.enumerated() {
            guard begin + index < all.count, all[begin + index].offset == record.offset else {
                return "\(reader.name) of \(place.name) did not read what stands before \(record.offset)"
            }
        }
        return nil
    }
}

/// One reader of a topic, and what it read.
final class TopicReader {
    let name: String
    let topic: TopicLedger
    /// The offsets it may begin at; nil where nobody can know.
    let starts: [Int64]?
    private let ledger: Ledger
    private(set) var received: [(offset: Int64, message: Int)] = []

    init(name: String, topic: TopicLedger, starts: [Int64]?, ledger: Ledger) {
        self.name = name
        self.topic = topic
        self.starts = starts
        self.ledger = ledger
        topic.add(self)
    }

    func receive(_ body: ByteBuffer, at offset: Int64) {
        guard let message = ledger.identify(body, in: topic.place) else { return }
        if let last = received.last, last.offset >= offset {
            ledger.complain("\(name) of \(topic.place.name) got offset \(offset) after \(last.offset)")
        }
        if let wrong = topic.see(message, at: offset) { ledger.complain(wrong) }
        received.append((offset, message))
    }
}

/// What a client knows of its group's position in a topic.
struct GroupPosition {
    /// The last commit that was answered; nil: the beginning.
    var answered: Int64?
    /// Commits sent after it, of which nobody knows.
    var unanswered: [Int64] = []

    var candidates: [Int64] { [answered ?? 0] + unanswered }
    var most: Int64 { candidates.max() ?? 0 }
}
