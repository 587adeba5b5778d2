package import ColaCore

extension MemoryStore {
    /// What a memory store has committed. It outlives the store, as a disk outlives a process.
    package final class Disk: Sendable {
        let contents = Monitor(Contents())

        package init() {}

        /// Changes one byte of a stored chunk, counted from its end: a disk that forgets.
        package func damage(_ log: LogID, _ base: Offset, fromEnd: Int = 1) {
            contents.change { contents in
                guard let index = contents.logs[log]?.index(of: base),
                    let count = contents.logs[log]?.chunks[index].data.count,
                    fromEnd >= 1, fromEnd <= count
                else { return }
                contents.logs[log]?.chunks[index].data[count - fromEnd] ^= 0x40
            }
        }
    }

    struct Contents {
        var epoch = Epoch(0)
        var cleanEpoch = Epoch(0)
        var nextLog = LogID(1)
        /// Whether a store has it open.
        var isInUse = false
        var logs: [LogID: Log] = [:]
        /// By their names.
        var queues: [String: QueueDefinition] = [:]
        var topics: [String: TopicDefinition] = [:]
        var exchanges: [ExchangeDefinition] = []
        var bindings: [BindingDefinition] = []
        var groupOffsets: [GroupOffset] = []
        var quarantined: [Kept] = []
    }

    struct Log {
        var state = LogState.empty
        /// In the order of their bases.
        var chunks: [EncodedChunk] = []
        var settled: [Offset: SettledSet] = [:]
        var released: [Offset: Int] = [:]

        func index(of base: Offset) -> Int? {
            let index = chunks.partitioningIndex { $0.base >= base }
            return index < chunks.count && chunks[index].base == base ? index : nil
        }
    }

    /// A copy of a damaged chunk.
    struct Kept: Sendable {
        var log: LogID
        var base: Offset
        var reason: String
        var data: [UInt8]
    }
}

extension Array {
    /// The first index whose element answers yes, where all that follow do so too.
    func partitioningIndex(_ belongsInSecond: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if belongsInSecond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
