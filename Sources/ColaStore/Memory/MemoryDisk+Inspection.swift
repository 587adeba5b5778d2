package import ColaCore

extension MemoryStore.Disk {
    /// What is stored of one log, for tests that look for what should have gone.
    package struct LogContents: Equatable, Sendable {
        package var state: LogState
        /// The bases of its chunks, in their order.
        package var chunks: [Offset]
        /// The bases of chunks of which something is stored as settled, in their order.
        package var settled: [Offset]
        /// In the order of the offsets.
        package var released: [Release]
        /// The bases of damaged chunks of which a copy is kept.
        package var quarantined: [Offset]
    }

    /// - Returns: nil if there is no such log.
    package func contents(of log: LogID) -> LogContents? {
        contents.read { contents in
            guard let found = contents.logs[log] else { return nil }
            return LogContents(
                state: found.state, chunks: found.chunks.map(\.base), settled: found.settled.keys.sorted(),
                released: found.released.values.sorted { $0.offset < $1.offset },
                quarantined: contents.quarantined.filter { $0.log == log }.map(\.base))
        }
    }
}
