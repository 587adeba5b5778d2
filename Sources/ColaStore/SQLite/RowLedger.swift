internal import ColaCore
internal import OrderedCollections

/// What the writer remembers of the rows it wrote, so that whoever merges them need not search.
///
/// Hints, not facts: a transaction that was rolled back has left its marks here, too.
final class RowLedger {
    struct Place: Hashable {
        var log: LogID
        var base: Offset
    }

    /// Rows smaller than this are merged. Bytes of data.
    static let smallBytes = 64 << 10
    /// With so many small rows a log is worth a look.
    static let worthwhileRows = 32
    /// With so many it cannot wait for a quiet moment.
    static let pressingRows = 1024
    /// A row of which little is alive is left alone if it is not larger than this, for a page is not gained by it.
    private static let sparseBytesMin = 8 << 10
    /// Copied at once, so not much more than a commit takes.
    private static let sparseBytesMax = 8 << 20
    private static let placesMax = 10_000

    /// Small rows that came, less rows that went.
    private var balances: [LogID: Int] = [:]
    /// Logs that are worth a look.
    private(set) var worthwhile: OrderedSet<LogID> = []
    private(set) var pressing: OrderedSet<LogID> = []
    /// The largest balance there is, or was since it was last nobody's.
    private(set) var balanceMax = 0
    /// Rows of which little is alive.
    private(set) var sparse: OrderedSet<Place> = []
    /// How much was settled of rows that were looked at in vain.
    private var settledThen: [Place: Int] = [:]

    func didInsert(_ log: LogID, bytes: Int) {
        guard bytes < Self.smallBytes else { return }
        let balance = (balances[log] ?? 0) + 1
        balances[log] = balance
        if balance == Self.worthwhileRows { worthwhile.append(log) }
        if balance == Self.pressingRows { pressing.append(log) }
        balanceMax = max(balanceMax, balance)
    }

    func didRemove(_ log: LogID) {
        guard let balance = balances[log] else { return }
        balances[log] = balance > 1 ? balance - 1 : nil
    }

    /// So much of a row of so many records is settled now.
    func didSettle(_ log: LogID, _ base: Offset, settled: Int, of records: Int, bytes: Int) {
        guard settled * 4 >= records * 3, bytes >= Self.sparseBytesMin, bytes <= Self.sparseBytesMax,
            sparse.count < Self.placesMax
        else { return }
        let place = Place(log: log, base: base)
        if let then = settledThen[place], settled <= then + records / 4 { return }
        sparse.append(place)
    }

    /// The log to be looked at next, and whether that could not wait.
    func takeLog() -> (log: LogID, isPressing: Bool)? {
        if let log = pressing.first {
            worthwhile.remove(log)
            pressing.removeFirst()
            return (log, true)
        }
        return worthwhile.isEmpty ? nil : (worthwhile.removeFirst(), false)
    }

    /// What is left of the log's small rows is not worth it.
    func didLook(_ log: LogID) {
        balances[log] = nil
        pressing.remove(log)
        worthwhile.remove(log)
        if pressing.isEmpty { balanceMax = 0 }
    }

    func want(_ log: LogID) { worthwhile.append(log) }

    func takeSparse() -> Place? { sparse.isEmpty ? nil : sparse.removeFirst() }

    func didLookInVain(_ place: Place, settled: Int) {
        if settledThen.count >= Self.placesMax { settledThen = [:] }
        settledThen[place] = settled
    }
}
