internal import ColaCore

// Sets meet sets of other chunks: those of the broker need not be those of the store.
extension SettledSet {
    mutating func insert(_ indices: Range<Int>) {
        for index in indices { insert(index) }
    }

    mutating func formUnion(_ other: SettledSet) {
        if isEmpty { self = other } else { other.forEach { insert($0) } }
    }

    /// Calls `body` with each index of the set, in growing order.
    func forEach(_ body: (Int) -> Void) {
        var (index, rest) = (0, count)
        while rest > 0 {
            if contains(index) {
                body(index)
                rest -= 1
            }
            index += 1
        }
    }

    /// The same offsets as a set of another chunk, without those that lie outside of it.
    ///
    /// - Parameter base: where this set counts from.
    func moved(from base: Offset, into chunk: ClosedRange<Offset>) -> SettledSet {
        let (shift, overflow) = base.rawValue.subtractingReportingOverflow(chunk.lowerBound.rawValue)
        if shift == 0, !overflow, !containsAny(from: chunk.upperBound.distance(from: base) + 1) { return self }
        var moved = SettledSet()
        let width = chunk.upperBound.distance(from: chunk.lowerBound)
        forEach { index in
            let (target, overflow) = Int64(index).addingReportingOverflow(shift)
            if !overflow, target >= 0, target <= Int64(width) { moved.insert(Int(target)) }
        }
        return moved
    }

    /// Without the offsets of `run`.
    func subtracting(_ run: ClosedRange<Offset>, base: Offset) -> SettledSet {
        var rest = SettledSet()
        forEach { index in
            if !run.contains(base.advanced(by: index)) { rest.insert(index) }
        }
        return rest
    }
}
