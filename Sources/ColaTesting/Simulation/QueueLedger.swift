internal import ColaNative

/// What clients saw of one queue.
struct QueueLedger {
    private struct Copy {
        /// The connection that published it, or the channel of one.
        var link: Int
        /// How many times the server had died when it was sent.
        var crashes: Int
        var receptions: [Reception] = []
        /// With the queue's highest at most. Each priority has a log of its own, with offsets of its own.
        var priority: Int
        /// It was not sent here, but may come here when it is dead.
        var isDead: Bool
        /// When its publisher heard that it was taken.
        var confirmedAt: Int64?
        /// It may have been taken by a purge, or by one who needs no acknowledgement and went.
        var mayBeGone = false
        /// It was handed out before anybody was told that it is safe, and then the server died. If it comes again it is
        /// there; if another message has its offset it is not.
        var mayHaveVanished = false
        /// How many times the server had died when it was seen last.
        var crashesSeen = 0
        var wasSeen = false
        /// Another message has its offset, so it was never written.
        var isReplaced = false
    }

    let place: Place
    private var copies: [Int: Copy] = [:]
    /// Purges that were asked for and not answered.
    private var purges = 0
    /// The messages that were sent here, in the order of their numbers.
    private var order: [Int] = []
    /// Which message stands at an offset, and the other way round.
    private var messages: [Int64: Int] = [:]
    private var offsets: [Int: Int64] = [:]
    /// What was handed out for the first time, by the connection that published it.
    private var firsts: [Int: [Reception]] = [:]
    /// All that was handed out, in the order in which it arrived.
    private var receptions: [Reception] = []

    init(place: Place) { self.place = place }

    mutating func expect(_ message: Int, from link: Int, crashes: Int, priority: Int, isDead: Bool = false) {
        copies[message] = Copy(
            link: link, crashes: crashes, priority: min(priority, place.prioritiesMost), isDead: isDead,
            mayBeGone: purges > 0)
        order.append(message)
    }

    mutating func confirm(_ message: Int, at time: Int64) {
        copies[message]?.confirmedAt = time
        copies[message]?.mayHaveVanished = false
    }

    /// The server died, with what it had handed out and not written.
    mutating func serverDied() {
        for message in order where wasSeen(message) && copies[message]?.confirmedAt == nil {
            copies[message]?.mayHaveVanished = true
        }
    }

    func mayHaveVanished(_ message: Int) -> Bool { copies[message]?.mayHaveVanished ?? false }

    private func priority(of message: Int) -> Int { copies[message]?.priority ?? 0 }

    /// Where it stands in all logs of the queue.
    private func position(_ offset: Int64, of message: Int) -> Int64 { offset | Int64(priority(of: message)) << 48 }

    func wasSeen(_ message: Int) -> Bool { copies[message]?.wasSeen ?? false }

    func mayBeGone(_ message: Int) -> Bool { place.isLoose || copies[message]?.mayBeGone ?? false }

    mutating func purge(begins: Bool) {
        purges += begins ? 1 : -1
        for message in order { copies[message]?.mayBeGone = true }
    }

    /// - Parameters:
    ///   - crashes: how many times the server has died.
    ///   - isPast: the server that said so was one of those, and may have had the message in memory only.
    ///   - offset: nil where it was not said.
    /// - Returns: what is wrong with it.
    mutating func learn(_ offset: Int64?, of message: Int, crashes: Int, isPast: Bool = false) -> String? {
        let isUncertain = isPast && copies[message]?.confirmedAt == nil
        copies[message]?.mayHaveVanished = isUncertain
        copies[message]?.wasSeen = true
        guard let offset = offset.map({ position($0, of: message) }) else { return seeAgain(message, crashes, isPast) }
        if place.retryDelay != nil {
            offsets[message] = offset
            return nil
        }
        if let other = messages[offset], other != message {
            if isPast, isUncertain || mayNeverHaveBeenWritten(message) { return nil }
            // An offset is a message's own once it is written: what a server settled or lost before it wrote it leaves
            // its offset to the next one.
            guard copies[other]?.crashesSeen != crashes, mayNeverHaveBeenWritten(other) else {
                return "offset \(offset) of \(place.name) was message \(other) and is message \(message)"
            }
            copies[other]?.isReplaced = true
        }
        if let before = offsets[message], before != offset {
            return "message \(message) of \(place.name) was at offset \(before) and is at \(offset)"
        }
        if let wrong = seeAgain(message, crashes, isPast) { return wrong }
        offsets[message] = offset
        messages[offset] = message
        return nil
    }

    private mutating func seeAgain(_ message: Int, _ crashes: Int, _ isPast: Bool) -> String? {
        if copies[message]?.isReplaced ?? false {
            return "message \(message) of \(place.name) is back, and its offset was another's meanwhile"
        }
        copies[message]?.crashesSeen = isPast ? crashes - 1 : crashes
        return nil
    }

    private func mayNeverHaveBeenWritten(_ message: Int) -> Bool {
        guard let copy = copies[message] else { return false }
        return copy.mayHaveVanished || copy.mayBeGone || copy.receptions.contains(where: \.isDone)
    }

    /// - Parameters:
    ///   - link: the connection that published it.
    ///   - crashes: how many times the server has died.
    ///   - isPast: whether the server that sent it was one of those.
    /// - Returns: what is wrong with it.
    mutating func receive(
        _ reception: Reception, publishedOver link: Int, crashes: Int, isPast: Bool
    ) -> String? {
        let message = reception.message
        if let wrong = learn(reception.offset, of: message, crashes: crashes, isPast: isPast) { return wrong }
        let earlier = copies[message]?.receptions ?? []
        copies[message]?.receptions.append(reception)
        receptions.append(reception)
        if reception.isAutoAck { copies[message]?.mayBeGone = true }
        let name = "message \(message) of \(place.name)"
        if let wrong = checkPriority(reception, earlier) { return wrong }
        if let wrong = checkActive(reception) { return wrong }
        // G7
        if !reception.isRedelivered {
            if let first = earlier.first(where: { $0.time < reception.time }) {
                return "\(name) has no r, and link \(first.link) had it before"
            }
            if let wrong = checkFirst(reception, publishedOver: link) { return wrong }
            firsts[link, default: []].append(reception)
        } else if let first = earlier.first(where: { !$0.isRedelivered && $0.time > reception.time }) {
            return "\(name) has an r, and was handed out to link \(first.link) for the first time later"
        }
        if reception.isRedelivered, let redelivered = reception.failures {
            let known = earlier.filter { $0.life == reception.life && $0.time < reception.time }.count
            if redelivered < known { return "\(name) says r=\(redelivered), and came back \(known) times in this life" }
            if let most = place.deliveriesMost, redelivered > most {
                return "\(name) says r=\(redelivered), and dies after \(most)"
            }
            if redelivered == 0, copies[message]?.crashes == crashes, place.number != Place.dead {
                return "\(name) says r=0, and the server did not die since it was published"
            }
            if redelivered == known, let last = earlier.last, last.life == reception.life {
                if let wrong = checkPlace(reception, releasedFrom: last) { return wrong }
            }
        }
        for other in earlier {
            if let wrong = check(other, against: reception) { return wrong }
        }
        return nil
    }

    /// G4: of one connection, in the order in which it published.
    private func checkFirst(_ reception: Reception, publishedOver link: Int) -> String? {
        guard place.isOrdered else { return nil }
        for other in firsts[link] ?? [] where priority(of: other.message) == priority(of: reception.message) {
            let isAhead = other.time < reception.time || other.link == reception.link && other.life == reception.life
            if isAhead, !reception.isAnswer, other.message > reception.message {
                return "\(place.name) delivered message \(other.message) before \(reception.message) of the same link"
            }
            if other.time > reception.time, !other.isAnswer, other.message < reception.message {
                return "\(place.name) delivered message \(reception.message) before \(other.message) of the same link"
            }
        }
        return nil
    }

    /// G4: what came back has its place, before all that stands behind it.
    private func checkPlace(_ reception: Reception, releasedFrom last: Reception) -> String? {
        guard !reception.isAnswer, place.retryDelay == nil, last.settlement == .nack, let free = last.certainAt,
            let offset = reception.offset
        else { return nil }
        let overtaking = receptions.first {
            !$0.isAnswer && $0.life == reception.life && $0.time > free && $0.time < reception.time
                && $0.offset ?? 0 > offset && priority(of: $0.message) == priority(of: reception.message)
        }
        guard let overtaking else { return nil }
        return "\(place.name) delivered message \(overtaking.message) while offset \(offset) stood before it"
    }

    /// Nothing of a lower priority is handed out while one of a higher is known to be there.
    private func checkPriority(_ reception: Reception, _ earlier: [Reception]) -> String? {
        guard place.prioritiesMost > 0, !reception.isRedelivered, !reception.isAnswer, earlier.isEmpty,
            let ready = copies[reception.message]?.confirmedAt
        else { return nil }
        let lower = receptions.first {
            !$0.isAnswer && $0.time > ready && $0.time < reception.time
                && priority(of: $0.message) < priority(of: reception.message)
        }
        guard let lower else { return nil }
        return "\(place.name) delivered message \(lower.message) before \(reception.message) of a higher priority"
    }

    /// Of a queue with a single active consumer: who has been followed by another does not come again.
    private func checkActive(_ reception: Reception) -> String? {
        guard place.isSingleActive else { return nil }
        let mine = receptions.filter { $0.life == reception.life && $0.consumer == reception.consumer }
        guard let first = mine.map(\.time).min(), let last = mine.map(\.time).max() else { return nil }
        let others = receptions.contains {
            $0.life == reception.life && $0.consumer != reception.consumer && $0.time > first && $0.time < last
        }
        return others ? "\(place.name) has two active consumers: one is of link \(reception.link)" : nil
    }

    /// Who got the same message later.
    func reception(after reception: Reception) -> Reception? {
        copies[reception.message]?.receptions.first { $0 !== reception && $0.time > reception.time }
    }

    // MARK: Settling

    /// The reception's settlement is certain now: see whether what came in between fits.
    func check(_ reception: Reception) -> String? {
        for other in copies[reception.message]?.receptions ?? [] where other !== reception {
            if let wrong = check(reception, against: other) { return wrong }
        }
        return nil
    }

    private func check(_ settled: Reception, against other: Reception) -> String? {
        guard let certain = settled.certainAt, let sent = settled.settledAt else { return nil }
        let name = "message \(settled.message) of \(place.name)"
        if settled.isDone {
            // G6
            if other.time > certain { return "\(name) is back, though the answer to its end was heard" }
            if other.life == settled.life, other.time > settled.time {
                return "\(name) was settled by link \(settled.link), and link \(other.link) got it later"
            }
        } else if other.life == settled.life, other.time > settled.time {
            if other.time < sent { return "\(name) was with link \(settled.link) when link \(other.link) got it" }
            // What was given back, and not lost with its link, waits as long as its queue says. The server's clock may
            // go a twentieth faster.
            if let delay = place.retryDelay, other.time < sent + (delay * 20 / 21 - 2) * 1_000_000 {
                return "\(name) was back before its \(delay) ms were over"
            }
        }
        return nil
    }

    // MARK: The end

    /// - Returns: what is wrong: what should have been delivered and settled, and was not; what stands out of order.
    ///
    /// - Parameter dead: where its dead letters go.
    func finish(dead: QueueLedger?) -> [String] {
        var wrong: [String] = []
        if let dead { for message in order { wrong += check(message, dead) } }
        for message in order {
            guard let copy = copies[message], wasSeen(message), !copy.mayBeGone, !copy.mayHaveVanished, !place.isLoose
            else { continue }
            // G5
            let isDone = copy.receptions.contains { dead == nil ? $0.isDone : $0.isAutoAck || $0.settlement == .ack }
            if !isDone, !(dead?.isDone(message) ?? false) {
                wrong.append("message \(message) of \(place.name) was seen, never settled, and is gone")
            }
        }
        guard place.isOrdered else { return wrong }
        var last: [Int: (message: Int, offset: Int64)] = [:]
        for message in order {
            guard let copy = copies[message], let offset = offsets[message], !copy.mayHaveVanished else { continue }
            let lane = copy.link << 8 | copy.priority
            if let before = last[lane], before.offset > offset {
                wrong.append("\(place.name): message \(before.message) stands behind \(message) of the same link")
            }
            last[lane] = (message, offset)
        }
        return wrong
    }

    private func isDone(_ message: Int) -> Bool { copies[message]?.receptions.contains(where: \.isDone) ?? false }

    /// A dead letter moves: it is here or there, never in both, never in neither.
    private func check(_ message: Int, _ dead: QueueLedger) -> [String] {
        var wrong: [String] = []
        let here = copies[message]?.receptions ?? []
        let there = dead.copies[message]?.receptions ?? []
        let name = "message \(message) of \(place.name)"
        // The same message may have died in another queue; the death says in which.
        let moved = there.filter { $0.deathPlace == place.name }
        if let first = moved.map(\.time).min() {
            if here.contains(where: { $0.settlement == .ack && $0.certainAt != nil }) {
                wrong.append("\(name) was acknowledged, and is among the dead")
            }
            if here.contains(where: { $0.time > first }) { wrong.append("\(name) was handed out after it had died") }
        }
        if moved.isEmpty, here.contains(where: { $0.settlement == .reject && $0.certainAt != nil }) {
            wrong.append("\(name) was rejected, and is not among the dead")
        }
        return wrong
    }
}
