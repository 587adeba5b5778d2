internal import ColaCore

extension MemoryStore {
    /// What is stored of one log: the plainest form of what a batch means.
    struct Log {
        var state = LogState.empty
        /// In the order of their bases; they do not overlap.
        var chunks: [EncodedChunk] = []
        /// By the bases of their chunks.
        var settled: [Offset: SettledSet] = [:]
        var released: [Offset: Release] = [:]

        func index(of base: Offset) -> Int? {
            let index = chunks.partitioningIndex { $0.base >= base }
            return index < chunks.count && chunks[index].base == base ? index : nil
        }

        /// The indices of the chunks that have an offset in common with `run`.
        func indices(in run: ClosedRange<Offset>) -> Range<Int> {
            let first = chunks.partitioningIndex { $0.last >= run.lowerBound }
            return first..<max(first, chunks.partitioningIndex { $0.base > run.upperBound })
        }

        func row(_ index: Int) -> ChunkRow {
            ChunkRow(chunk: chunks[index], settled: settled[chunks[index].base] ?? SettledSet())
        }

        mutating func insert(_ chunk: EncodedChunk) {
            chunks.insert(chunk, at: chunks.partitioningIndex { $0.base > chunk.base })
        }

        mutating func put(_ set: SettledSet, of base: Offset) { settled[base] = set.isEmpty ? nil : set }

        mutating func settle(_ entry: ChunkSettlement) {
            guard entry.base <= entry.last else { return }
            for index in indices(in: entry.base...entry.last) {
                var row = row(index)
                if entry.settled.isEmpty {
                    row.settled = row.settled.subtracting(entry.base...entry.last, base: row.chunk.base)
                } else {
                    let news = entry.settled.moved(from: entry.base, into: row.offsets)
                    row.settled.formUnion(news)
                }
                put(row.settled, of: row.chunk.base)
            }
        }

        mutating func remove(_ run: ClosedRange<Offset>) {
            for index in indices(in: run).reversed() {
                var row = row(index)
                let part = max(run.lowerBound, row.chunk.base)...min(run.upperBound, row.chunk.last)
                if part != row.offsets {
                    // What lies below the floor need not be said.
                    let first = max(part.lowerBound, state.floor)
                    if first <= part.upperBound {
                        row.settled.insert(
                            first.distance(from: row.chunk.base)..<part.upperBound.distance(from: row.chunk.base) + 1)
                    }
                    put(row.settled, of: row.chunk.base)
                    guard row.isFinished(floor: state.floor) else { continue }
                }
                settled[row.chunk.base] = nil
                chunks.remove(at: index)
            }
        }

        mutating func trim(_ range: Range<Offset>) {
            guard !range.isEmpty else { return }
            remove(range.lowerBound...Offset(range.upperBound.rawValue - 1))
            released = released.filter { !range.contains($0.key) }
        }

        mutating func rewrite(_ change: ChunkRewrite) {
            guard change.base <= change.last else { return }
            let found = indices(in: change.base...change.last)
            guard !found.isEmpty else { return }
            let (row, _) = ChunkRow.rewritten(found.map { self.row($0) }, change.base...change.last, change.segment)
            replace(found, with: row)
        }

        mutating func merge(_ run: ClosedRange<Offset>) {
            let found = indices(in: run).filter { run.contains(chunks[$0].base) && run.contains(chunks[$0].last) }
            let rows = found.map { row($0) }
            let decoded = rows.map(\.decoded)
            guard let first = found.first, let last = found.last, first < last,
                decoded.allSatisfy({ $0.damage.isEmpty }), let row = ChunkRow.merged(rows, decoded: decoded)
            else { return }
            replace(first..<last + 1, with: row)
        }

        mutating func compact(_ base: Offset) {
            guard let index = index(of: base), let chunk = row(index).live(floor: state.floor) else { return }
            replace(index..<index + 1, with: chunk.map { ChunkRow(chunk: $0, settled: SettledSet()) })
        }

        private mutating func replace(_ range: Range<Int>, with row: ChunkRow?) {
            for index in range { settled[chunks[index].base] = nil }
            chunks.replaceSubrange(range, with: row.map { [$0.chunk] } ?? [])
            if let row { put(row.settled, of: row.chunk.base) }
        }

        /// - Returns: the chunk that holds `base` as it was; nil if there is none. It counts as many records as can be
        /// read.
        mutating func quarantine(_ found: Quarantine) -> EncodedChunk? {
            guard let index = indices(in: found.base...found.base).first else { return nil }
            let chunk = chunks[index]
            chunks[index].count =
                chunk.base == found.base ? found.readable : row(index).readableCount
            return chunk
        }
    }
}
