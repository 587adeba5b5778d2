internal import ColaCore

extension MemoryStore.Contents {
    func read(_ request: ReadRequest) -> ReadResult {
        guard let log = logs[request.log] else { return ReadResult(request: request, chunks: [], isComplete: true) }
        let from = max(request.from, log.state.start, log.state.floor)
        var result = ReadResult(request: request, chunks: [], isComplete: true)
        var bytes = 0
        for chunk in log.chunks[log.chunks.partitioningIndex { $0.last >= from }...] {
            if chunk.base >= request.below { break }
            if !result.chunks.isEmpty, bytes >= request.bytesMax {
                result.isComplete = false
                break
            }
            bytes += chunk.data.count
            let released = log.released.filter { $0.key >= chunk.base && $0.key <= chunk.last }
            result.chunks.append(
                StoredChunk(
                    base: chunk.base, last: chunk.last, count: chunk.count, data: chunk.data,
                    expires: chunk.minExpire != nil, settled: log.settled[chunk.base] ?? SettledSet(),
                    released: released.values.sorted { $0.offset < $1.offset }))
        }
        return result
    }

    func outline(_ id: LogID, from: Offset, countMax: Int) -> QueryResult {
        guard let log = logs[id] else { return .outline([], isComplete: true) }
        let from = max(from, log.state.start, log.state.floor)
        let found = log.chunks[log.chunks.partitioningIndex { $0.last >= from }...]
        return .outline(found.prefix(max(0, countMax)).map(\.outline), isComplete: found.count <= countMax)
    }

    func outline(_ id: LogID, asYoungAs time: Timestamp) -> QueryResult {
        guard let log = logs[id] else { return .outline([], isComplete: true) }
        let from = max(log.state.start, log.state.floor)
        guard let index = log.chunks.firstIndex(where: { $0.last >= from && $0.maxTimestamp >= time }) else {
            return .outline([], isComplete: true)
        }
        return .outline([log.chunks[index].outline], isComplete: index == log.chunks.count - 1)
    }

    /// - Returns: also what is damaged, which is put aside.
    mutating func schedule(
        after key: ScheduleKey?, countMax: Int, bytesMax: Int
    ) -> (result: QueryResult, damaged: [ScheduleKey]) {
        var found: [ScheduledMessage] = []
        var damaged: [EncodedSchedule] = []
        var bytes = 0
        var isComplete = true
        for message in schedule[(key.map { key in schedule.partitioningIndex { $0.key > key } } ?? 0)...] {
            if found.count >= countMax || !found.isEmpty && bytes >= bytesMax {
                isComplete = false
                break
            }
            if let decoded = message.decoded() {
                bytes += decoded.message.byteCount
                found.append(decoded)
            } else {
                damaged.append(message)
            }
        }
        for message in damaged {
            keep(LogID(0), Offset(message.key.id.rawValue), "a message in the schedule is damaged", message.data)
            schedule.removeAll { $0.key == message.key }
        }
        return (.schedule(found, isComplete: isComplete), damaged.map(\.key))
    }
}

extension EncodedChunk {
    fileprivate var outline: ChunkOutline {
        ChunkOutline(base: base, last: last, count: count, bytes: bytes, maxTimestamp: maxTimestamp)
    }
}
