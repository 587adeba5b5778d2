import ColaCore
import ColaTesting

/// What the clients of a run know, and what follows from it: the model that a broker is held against.
///
/// It knows nothing of batches, chunks or cursors: only what was asked, what was answered, and what arrived. What a
/// client cannot know after a crash it learns from the queue's contents, within the limits of what was promised.
struct Ledger {
    /// One message in one queue.
    struct Copy {
        enum Place: Equatable {
            case ready
            case held(ChannelID, tag: UInt64)
            /// Settled or purged in this life; whether the disk knows is open.
            case settled
            /// It must never be seen again.
            case gone
        }

        var place = Place.ready
        var wasDelivered = false
        /// Deliveries that ended without an acknowledgement.
        var failures = 0
        /// Whether a process died since: then nobody knows for sure what was handed out.
        var wasCrashed = false
    }

    struct Message {
        var publish: Int
        /// Its place among all that were published.
        var number: Int
        var size: Int
        var copies: [String: Copy]
    }

    struct Publish {
        var channel: ChannelID
        var bodies: [String]
        var isConfirmed = false
        var isLost = false
    }

    private(set) var publishes: [Publish] = []
    private(set) var messages: [String: Message] = [:]
    /// In the order in which they were published.
    private(set) var bodies: [String] = []
    /// The number of the message delivered last for the first time, by queue and channel.
    private var lastFirst: [String: [ChannelID: Int]] = [:]
    private(set) var violations: [String] = []

    mutating func complain(_ sentence: String) {
        if violations.count < 10 { violations.append(sentence) }
    }

    // MARK: What clients do

    /// - Parameter headerBytes: what the broker adds to each message on the way.
    mutating func publish(
        _ bodies: [String], to queues: [String], from channel: ChannelID, headerBytes: Int = 0
    ) -> Int {
        for body in bodies {
            var copies: [String: Copy] = [:]
            for queue in queues { copies[queue] = Copy() }
            messages[body] = Message(
                publish: publishes.count, number: self.bodies.count, size: body.utf8.count + headerBytes, copies: copies
            )
            self.bodies.append(body)
        }
        publishes.append(Publish(channel: channel, bodies: bodies))
        return publishes.count - 1
    }

    mutating func confirm(_ publish: Int) { publishes[publish].isConfirmed = true }

    mutating func deliver(_ message: Heard.Received, of queue: String, to channel: ChannelID, isAutoAck: Bool) {
        guard let found = messages[message.body], var copy = found.copies[queue] else {
            return complain("\(queue) delivered '\(message.body)', which nobody published there")
        }
        if copy.place != .ready { complain("\(queue) delivered '\(message.body)' though it is \(copy.place)") }
        if let first = waiting(in: queue).first, first != message.body {
            complain("\(queue) delivered '\(message.body)' before '\(first)', which stands before it")
        }
        if !copy.wasCrashed, message.redelivered != (copy.failures == 0 ? nil : copy.failures) {
            complain(
                "'\(message.body)' of \(queue) says r=\(message.redelivered ?? -1) after \(copy.failures) failures")
        }
        if copy.wasCrashed, message.redelivered == nil { complain("'\(message.body)' was recovered and has no r") }
        if !copy.wasDelivered {
            let channel = publishes[found.publish].channel
            if let last = lastFirst[queue]?[channel], last > found.number {
                complain("'\(message.body)' of \(queue) came after a later message of its channel")
            }
            lastFirst[queue, default: [:]][channel] = found.number
        }
        copy.wasDelivered = true
        copy.place = isAutoAck ? .settled : .held(channel, tag: message.tag)
        messages[message.body]?.copies[queue] = copy
    }

    /// - Returns: whether the channel held any of them.
    mutating func settle(_ tags: ClosedRange<UInt64>, _ settlement: Settlement, by channel: ChannelID) -> Bool {
        changeAll { copy in
            guard case .held(channel, let tag) = copy.place, tags.contains(tag) else { return false }
            if settlement == .release { copy.failures += 1 }
            copy.place = settlement == .release ? .ready : .settled
            return true
        } > 0
    }

    mutating func disconnect(_ channel: ChannelID) {
        _ = settle(0...(.max), .release, by: channel)
    }

    /// - Returns: how many it takes.
    mutating func purge(_ queue: String) -> Int {
        changeAll(of: queue) { copy in
            guard copy.place == .ready else { return false }
            copy.place = .settled
            return true
        }
    }

    @discardableResult
    private mutating func changeAll(of queue: String? = nil, _ body: (inout Copy) -> Bool) -> Int {
        var count = 0
        for name in bodies {
            guard let queues = messages[name]?.copies.keys.sorted() else { continue }
            for found in queues where queue == nil || found == queue {
                guard var copy = messages[name]?.copies[found], body(&copy) else { continue }
                messages[name]?.copies[found] = copy
                count += 1
            }
        }
        return count
    }

    // MARK: What can be counted

    func count(of queue: String) -> (ready: Int, held: Int, bytes: Int) {
        var result = (ready: 0, held: 0, bytes: 0)
        for body in bodies {
            guard let message = messages[body], let copy = message.copies[queue] else { continue }
            switch copy.place {
            case .ready: result.ready += 1
            case .held: result.held += 1
            case .settled, .gone: continue
            }
            result.bytes += message.size
        }
        return result
    }

    // MARK: Lives

    mutating func stop() {
        for index in publishes.indices where !publishes[index].isLost { publishes[index].isConfirmed = true }
        changeAll { copy in
            switch copy.place {
            case .held:
                copy.failures += 1
                copy.place = .ready
            case .settled: copy.place = .gone
            case .ready, .gone: return false
            }
            return true
        }
    }

    /// The process died; `contents` is what each queue holds now.
    mutating func crash(_ contents: [String: [String]]) {
        for (queue, found) in contents.sorted(by: { $0.key < $1.key }) { checkOrder(of: queue, found) }
        let present = contents.mapValues(Set.init)
        var lostFrom: Set<ChannelID> = []
        for index in publishes.indices where !publishes[index].isLost {
            decide(index, present, &lostFrom)
        }
    }

    private mutating func checkOrder(of queue: String, _ found: [String]) {
        if Set(found).count != found.count { complain("\(queue) holds a message twice: \(found)") }
        var last: [ChannelID: Int] = [:]
        for body in found {
            guard let message = messages[body], message.copies[queue] != nil else {
                complain("\(queue) holds '\(body)', which nobody published there")
                continue
            }
            let channel = publishes[message.publish].channel
            if let before = last[channel], before > message.number { complain("\(queue) holds '\(body)' out of order") }
            last[channel] = message.number
        }
    }

    /// Whether one publish survived, and what became of each of its copies.
    private mutating func decide(
        _ index: Int, _ present: [String: Set<String>], _ lostFrom: inout Set<ChannelID>
    ) {
        let publish = publishes[index]
        var kept = 0
        var missing = 0
        for body in publish.bodies {
            for queue in messages[body]?.copies.keys.sorted() ?? [] {
                guard var copy = messages[body]?.copies[queue] else { continue }
                let isThere = present[queue]?.contains(body) ?? false
                switch copy.place {
                case .gone where isThere: complain("'\(body)' is back in \(queue) though its end was answered")
                case .gone: continue
                case .settled where !isThere: copy.place = .gone
                case .settled, .ready, .held:
                    if isThere { kept += 1 } else { missing += 1 }
                    if !isThere, copy.wasDelivered { complain("'\(body)' was delivered from \(queue) and is lost") }
                    copy.place = isThere ? .ready : .gone
                }
                copy.wasCrashed = true
                messages[body]?.copies[queue] = copy
            }
        }
        if publish.isConfirmed {
            if missing > 0 { complain("\(publish.bodies) was confirmed, and \(missing) of it is lost") }
        } else if missing > 0 {
            if kept > 0 { complain("\(publish.bodies) is there in part: \(kept) kept, \(missing) lost") }
            publishes[index].isLost = true
            lostFrom.insert(publish.channel)
        } else {
            if kept > 0, lostFrom.contains(publish.channel) { complain("a hole before \(publish.bodies)") }
            publishes[index].isConfirmed = true
        }
    }

    /// An answer stands for what came before it on its channel: it is on the disk.
    mutating func makeDurable(_ ended: [(body: String, queue: String)]) {
        for (body, queue) in ended where messages[body]?.copies[queue]?.place == .settled {
            messages[body]?.copies[queue]?.place = .gone
        }
    }

    /// What the channel would have settled by the request that is sent now.
    func settledNow() -> [(body: String, queue: String)] {
        var all: [(body: String, queue: String)] = []
        for body in bodies {
            for (queue, copy) in messages[body]?.copies.sorted(by: { $0.key < $1.key }) ?? []
            where copy.place == .settled {
                all.append((body, queue))
            }
        }
        return all
    }

    /// What is still to be delivered of a queue.
    func waiting(in queue: String) -> [String] {
        bodies.filter { messages[$0]?.copies[queue]?.place == .ready }
    }
}
