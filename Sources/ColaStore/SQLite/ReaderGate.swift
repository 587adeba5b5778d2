/// Lets readers in, but for the moments in which the write-ahead log must have none.
final class ReaderGate: Sendable {
    private let state = Monitor((isClosed: false, inside: 0))

    /// Runs a read transaction, waiting while the gate is closed.
    func pass<Result>(_ body: () throws -> Result) rethrows -> Result {
        _ = state.wait { state -> Bool? in
            guard !state.isClosed else { return nil }
            state.inside += 1
            return true
        }
        defer { state.change { $0.inside -= 1 } }
        return try body()
    }

    /// Runs `body` with no reader inside. Read transactions are short, so nobody waits for long.
    func close<Result>(while body: () throws -> Result) rethrows -> Result {
        state.change { $0.isClosed = true }
        _ = state.wait { $0.inside == 0 ? true : nil }
        defer { state.change { $0.isClosed = false } }
        return try body()
    }
}
