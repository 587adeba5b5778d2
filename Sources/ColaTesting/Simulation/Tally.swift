/// What a run did.
package struct Tally: Equatable, Sendable {
    package var events = 0
    package var published = 0
    package var confirmed = 0
    package var delivered = 0
    package var acknowledged = 0
    package var records = 0
    /// Of what was published and delivered, what was over AMQP.
    package var overAMQP = 0
    /// Transactions that were committed, and channels that ended with an error.
    package var transactions = 0
    package var mistakes = 0
    package var commits = 0
    package var kills = 0
    package var stops = 0
    package var failedCommits = 0
    package var fullDisks = 0
    package var resets = 0
    package var silences = 0
    package var clockJumps = 0
    package var failedReads = 0
    package var outputBytesMost = 0

    package init() {}

    package static func + (lhs: Tally, rhs: Tally) -> Tally {
        var sum = lhs
        sum.events += rhs.events
        sum.published += rhs.published
        sum.confirmed += rhs.confirmed
        sum.delivered += rhs.delivered
        sum.acknowledged += rhs.acknowledged
        sum.records += rhs.records
        sum.overAMQP += rhs.overAMQP
        sum.transactions += rhs.transactions
        sum.mistakes += rhs.mistakes
        sum.commits += rhs.commits
        sum.kills += rhs.kills
        sum.stops += rhs.stops
        sum.failedCommits += rhs.failedCommits
        sum.fullDisks += rhs.fullDisks
        sum.resets += rhs.resets
        sum.silences += rhs.silences
        sum.clockJumps += rhs.clockJumps
        sum.failedReads += rhs.failedReads
        sum.outputBytesMost = max(lhs.outputBytesMost, rhs.outputBytesMost)
        return sum
    }
}
