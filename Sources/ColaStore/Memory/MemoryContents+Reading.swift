internal import ColaCore

extension MemoryStore.Contents {
    func read(_ request: ReadRequest) -> ReadResult {
        let found = stored(request)
        let chunks = found.chunks.map { chunk in
            let released = logs[request.log]?.released.filter { $0.key >= chunk.base && $0.key <= chunk.last } ?? [:]
            return StoredChunk(
                base: chunk.base, last: chunk.last, count: chunk.count, data: chunk.data,
                expires: chunk.minExpire != nil, settled: logs[request.log]?.settled[chunk.base] ?? SettledSet(),
                released: released.values.sorted { $0.offset < $1.offset })
        }
        return ReadResult(request: request, chunks: chunks, isComplete: found.isComplete)
    }

    private func stored(_ request: ReadRequest) -> (chunks: [EncodedChunk], isComplete: Bool) {
        guard let log = logs[request.log] else { return ([], true) }
        let from = max(request.from, log.state.start, log.state.floor)
        var chunks: [EncodedChunk] = []
        var bytes = 0
        for chunk in log.chunks[log.chunks.partitioningIndex { $0.last >= from }...] {
            if chunk.base >= request.below { break }
            if !chunks.isEmpty, bytes >= request.bytesMax { return (chunks, false) }
            bytes += chunk.data.count
            chunks.append(chunk)
        }
        return (chunks, true)
    }

    func fetch(_ request: ReadRequest) -> PackedRead {
        let found = stored(request)
        return PackedRead(
            request: request,
            chunks: found.chunks.map { PackedChunk(checking: $0.data, base: $0.base, last: $0.last) },
            isComplete: found.isComplete)
    }

    func record(_ id: LogID, asYoungAs time: Timestamp) -> LocatedRecord? {
        guard let log = logs[id] else { return nil }
        for chunk in log.chunks where chunk.last >= log.state.start && chunk.maxTimestamp >= time {
            let row = ChunkRow(chunk: chunk, settled: SettledSet()).decoded
            if let found = row.record(from: log.state.start, asYoungAs: time) { return found }
        }
        return nil
    }

    func youngest(_ id: LogID) -> LocatedRecord? {
        guard let log = logs[id] else { return nil }
        let chunks = log.chunks.filter { $0.last >= log.state.start }
        guard let time = chunks.map(\.maxTimestamp).max() else { return nil }
        return chunks.first { $0.maxTimestamp == time }.flatMap {
            ChunkRow(chunk: $0, settled: SettledSet()).decoded.youngestRecord(from: log.state.start)
        }
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
