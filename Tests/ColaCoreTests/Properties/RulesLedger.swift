import ColaCore
import ColaTesting

/// What becomes of each message of a run with all rules: the model of ``RulesSimulation``.
///
/// It does not know the rules. It knows that a message that was taken is in one place, or that somebody can say why it
/// is in none: a client that settled it, a counter of drops, a queue that did not outlive the process.
struct RulesLedger {
    struct Message {
        var isConfirmed = false
        /// Its publisher went before it heard whether the message was taken.
        var isUnanswered = false
        /// Settled by a client, and not yet known to be on the disk: after a crash it may be there again.
        var isEnding = false
        /// It must never be seen again.
        var isGone = false
        /// Who has it.
        var holder: ChannelID?
        /// It may have been in memory alone: then it does not outlive the process.
        var isVolatile = false
        /// It has no time to wait: it is for a consumer that waits.
        var isForWaiting = false
        /// It waits in the schedule until then, or did.
        var due: Timestamp?
        /// It was given back with a delay since the last check: a crash may undo that.
        var isRecent = false
        /// A crash may have undone that: it is in the schedule, or where it was before, and there it may have expired.
        var isUncertain = false
        /// It must not be handed out from then on, as long as it never left the queue that it was published to.
        var expires: Timestamp?
    }

    private(set) var messages: [String: Message] = [:]
    /// In the order in which they were published.
    private(set) var bodies: [String] = []
    private(set) var violations: [String] = []

    mutating func complain(_ sentence: String) {
        if violations.count < 10 { violations.append(sentence) }
    }

    mutating func publish(_ body: String, _ message: Message) {
        bodies.append(body)
        messages[body] = message
    }

    mutating func change(_ body: String, _ change: (inout Message) -> Void) {
        guard var message = messages[body] else { return complain("nobody published '\(body)'") }
        change(&message)
        messages[body] = message
    }

    /// - Parameter losers: who has lost what it held, and has not been heard yet.
    mutating func deliver(
        _ body: String, to channel: ChannelID, isAutoAck: Bool, at now: Timestamp, in queue: String,
        except losers: [ChannelID]
    ) {
        guard let message = messages[body] else { return complain("nobody published '\(body)'") }
        if message.isGone { complain("\(queue) delivered '\(body)', which is gone") }
        if message.isEnding { complain("\(queue) delivered '\(body)', which was settled") }
        if let holder = message.holder, !losers.contains(holder) {
            complain("\(queue) delivered '\(body)', which \(holder) has")
        }
        if queue == "plain", !message.isForWaiting, let expires = message.expires, expires <= now {
            complain("'\(body)' was delivered \(now.rawValue - expires.rawValue) ms after its end")
        }
        change(body) {
            $0.due = nil
            $0.isUncertain = false
            $0.holder = isAutoAck ? nil : channel
            $0.isEnding = isAutoAck
        }
    }

    /// Its consumer has lost it, unless somebody else has it by now.
    mutating func giveBack(_ body: String, by channel: ChannelID) {
        if messages[body]?.holder == channel { messages[body]?.holder = nil }
    }

    mutating func disconnect(_ channel: ChannelID) {
        for body in bodies where messages[body]?.holder == channel { messages[body]?.holder = nil }
    }

    /// Holds what was found against what is known, when all that could be done has been done and is on the disk.
    ///
    /// - Parameters:
    ///   - drops: how many messages the broker says that it has dropped since the last check.
    ///   - isNewLife: whether the process died since, so that what was not on the disk may be undone.
    mutating func check(
        _ contents: [String: [String]], scheduled: Int, drops: Int, at now: Timestamp, isNewLife: Bool
    ) {
        var places: [String: String] = [:]
        for (queue, found) in contents.sorted(by: { $0.key < $1.key }) {
            for body in found {
                guard let message = messages[body] else { return complain("\(queue) holds '\(body)'; who is it?") }
                if let other = places[body] { complain("'\(body)' is in \(queue) and in \(other)") }
                if message.isGone { complain("\(queue) holds '\(body)', which is gone") }
                if message.isEnding, !isNewLife { complain("\(queue) holds '\(body)', which was settled") }
                places[body] = queue
                if queue == "memory" { messages[body]?.isVolatile = true }
            }
        }
        var (waiting, uncertain, missing) = (0, 0, [String]())
        for body in bodies {
            guard let message = messages[body], !message.isGone else { continue }
            if !isNewLife { messages[body]?.isRecent = false }
            // Even where it is found it may still be on its way: what was decided is carried out when it is read.
            if message.isUncertain, places[body] == nil {
                if message.due.map({ $0 > now }) ?? false { uncertain += 1 } else { messages[body]?.isGone = true }
                continue
            }
            // A purge takes what was to be moved and has not been read yet.
            let isInSchedule = places[body] == nil && !message.isEnding && message.due.map { $0 > now } ?? false
            if isInSchedule { waiting += 1 }
            settle(body, isThere: places[body] != nil || isInSchedule, isNewLife: isNewLife, &missing)
        }
        if !(waiting...waiting + uncertain).contains(scheduled) {
            complain("\(scheduled) wait in the schedule instead of \(waiting)")
        }
        // One whose publisher never heard of it may be among what was dropped.
        if missing.count > drops {
            complain("\(missing.count) are lost though \(drops) were dropped: \(missing.prefix(10))")
        }
    }

    private mutating func settle(_ body: String, isThere: Bool, isNewLife: Bool, _ missing: inout [String]) {
        change(body) { message in
            if isThere {
                if isNewLife { message.isEnding = false }
                message.isConfirmed = true
                return
            }
            if message.holder != nil { missing.append(body + " (held)") }
            let isExcused =
                isNewLife && (!message.isConfirmed || message.isVolatile)
                || message.isUnanswered && !message.isConfirmed
            if !message.isEnding, !isExcused, message.holder == nil { missing.append(body) }
            message.isGone = true
        }
    }

    /// The process ends: nobody holds anything.
    mutating func end(isCrash: Bool) {
        for body in bodies {
            messages[body]?.holder = nil
            if isCrash, messages[body]?.isRecent == true { messages[body]?.isUncertain = true }
        }
    }
}
