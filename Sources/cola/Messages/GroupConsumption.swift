import ColaClient
import Synchronization

/// The end of `cola consume --group`, from whichever thread a signal comes.
final class StopFlag: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}

/// What `cola consume --group` does as a member of the group: records are printed, and what was written out is
/// committed, a run of them at a time.
///
/// Whoever takes a partition over begins at what is committed, so nothing is left out; what was printed and not yet
/// committed is printed again.
struct GroupConsumption {
    /// When it ends by itself.
    struct End {
        var count: Int?
        var isFollowing: Bool
        /// Seconds without a record.
        var idleTimeout: Double?
    }

    /// A topic is never empty: this long without a record counts as drained.
    private static let drainedAfter = 0.5
    /// How long a stop may have to wait to be seen.
    private static let stopMilliseconds: Int64 = 100

    let member: GroupMember
    let format: MessageFormat
    let isCommitting: Bool
    let stop: StopFlag
    private var output = Output.standard()
    private var count = 0
    /// By partition, what the group reads next once what was printed is committed.
    private var next: [Int: Int64] = [:]

    init(member: GroupMember, format: MessageFormat, isCommitting: Bool, stop: StopFlag) {
        self.member = member
        self.format = format
        self.isCommitting = isCommitting
        self.stop = stop
    }

    mutating func run(until end: End) async throws {
        var idleSince = monotonicNanoseconds()
        while count < end.count ?? .max, !stop.isSet {
            if !member.isReady { try await commit() }
            switch try await member.next(within: Self.stopMilliseconds) {
            case .event(.record(let record)):
                try await print(record)
                if !member.isReady { idleSince = monotonicNanoseconds() }
            case .event(.assigned(let assignment)):
                try await commit()
                tell(assignment)
                idleSince = monotonicNanoseconds()
            case .ended: return try await commit()
            case .idle:
                let idle = Double(monotonicNanoseconds() - idleSince) / 1e9
                let isDrained = !end.isFollowing && end.count == nil && idle >= Self.drainedAfter
                if isDrained || idle >= end.idleTimeout ?? .infinity { return try await commit() }
            }
        }
        try await commit()
    }

    private mutating func print(_ record: StoredMessage) async throws {
        count += 1
        output.append { format.append(record, to: &$0) }
        next[record.partition] = record.offset + 1
        if output.pending.count >= 65_536 { try await commit() }
    }

    /// Writes out what was printed, and then says that the group is done with it.
    private mutating func commit() async throws {
        try output.flush()
        guard isCommitting else { return }
        for (partition, offset) in next.sorted(by: { $0.key < $1.key }) {
            do {
                try await member.commit(offset, partition: partition)
            } catch let error as ColaError where error.code == .mismatch {
                // Another member reads it now, from what was committed before.
            }
        }
        next = [:]
    }

    private func tell(_ assignment: Assignment) {
        let numbers = assignment.partitions.keys.sorted().map(String.init)
        let what =
            numbers.isEmpty
            ? "no partition of '\(member.topic)': the group has more members than it has partitions"
            : "partition\(numbers.count == 1 ? "" : "s") \(numbers.joined(separator: ",")) of '\(member.topic)'"
        Output.note("member of group '\(member.group)', generation \(assignment.generation): reads \(what)")
    }
}
