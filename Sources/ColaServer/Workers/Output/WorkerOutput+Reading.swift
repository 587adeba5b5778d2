internal import ColaCore
internal import ColaWorkers
internal import DequeModule
internal import NIOCore

// The last lines, and those that come.
extension WorkerOutput {
    /// - Parameters:
    ///   - names: of the one worker that was asked for, or of all.
    ///   - reply: is called once, now or later.
    func read(_ query: OutputQuery, of names: [WorkerName], _ reply: @escaping (OutputAnswer) -> Void) {
        if let from = query.from { return readOn(query, from, reply) }
        let end = position(of: query)
        let rings = names.compactMap { workers[$0]?.ring }
        let lines = last(query, of: rings)
        func answer(_ lines: [OutputLine]) {
            if lines.isEmpty, query.waitMilliseconds > 0 { return readOn(query, end, reply) }
            reply(OutputAnswer(lines: Self.lastThatFit(lines), next: end))
        }
        guard lines.count < query.count, let files else { return answer(lines) }
        var first: [WorkerName: OutputLine] = [:]
        for name in names { first[name] = workers[name]?.ring.lines.first }
        files.last(query.count - lines.count, of: names, query, before: first) { older in
            answer((older + lines).sorted { $0.isBefore($1) })
        }
    }

    /// The last lines that an instance has written, as far as they are in memory; the oldest first.
    func last(_ count: Int, of worker: WorkerName, _ instance: InstanceID) -> [OutputLine] {
        guard let ring = workers[worker]?.ring else { return [] }
        let target = WorkerRequest.Target(worker: worker.description, instance: instance.rawValue)
        return last(OutputQuery(target: target, count: count), of: [ring])
    }

    private func last(_ query: OutputQuery, of rings: [OutputRing]) -> [OutputLine] {
        var found: [OutputLine] = []
        for ring in rings {
            found += ring.lines.reversed().lazy.filter { $0.isOf(query) }.prefix(query.count)
            if rings.count > 1 { found = Array(found.sorted { $1.isBefore($0) }.prefix(query.count)) }
        }
        return found.reversed()
    }

    private static func lastThatFit(_ lines: [OutputLine]) -> [OutputLine] {
        var room = answerBytesMax
        return lines.reversed().prefix { line in
            room -= line.cost
            return room >= 0
        }.reversed()
    }

    /// An answer has no more. Bytes.
    private static let answerBytesMax = 4 << 20

    /// Behind all that there is.
    private func position(of query: OutputQuery) -> OutputPosition {
        guard let target = query.target else { return OutputPosition(epoch: epoch, count: count) }
        let ring = WorkerName(target.worker).flatMap { workers[$0]?.ring }
        return OutputPosition(epoch: epoch, count: ring?.count ?? 0)
    }

    // MARK: Reading on

    private func readOn(_ query: OutputQuery, _ from: OutputPosition, _ reply: @escaping (OutputAnswer) -> Void) {
        // What another life of the server has counted says nothing here: this one is read from its beginning.
        let from = from.epoch == epoch ? from : OutputPosition(epoch: epoch, count: 0)
        let found = lines(query, from)
        guard found.lines.isEmpty, found.lost == 0, query.waitMilliseconds > 0 else { return reply(found) }
        var reader = OutputReader(query: query, from: found.next, reply: reply)
        reader.number = lastReader + 1
        lastReader = reader.number
        let number = reader.number
        reader.timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(query.waitMilliseconds)) {
            [weak self] in
            guard let self, let index = readers.firstIndex(where: { $0.number == number }) else { return }
            let reader = readers.remove(at: index)
            reader.reply(lines(reader.query, reader.from))
        }
        readers.append(reader)
    }

    /// There are new lines: who waited for one of them has it.
    func wakeReaders() {
        var waiting: [OutputReader] = []
        for reader in readers {
            let found = lines(reader.query, reader.from)
            if found.lines.isEmpty, found.lost == 0 {
                var reader = reader
                reader.from = found.next
                waiting.append(reader)
            } else {
                reader.timer?.cancel()
                reader.reply(found)
            }
        }
        readers = waiting
    }

    private func lines(_ query: OutputQuery, _ from: OutputPosition) -> OutputAnswer {
        guard let target = query.target else { return linesOfAll(query, from.count) }
        guard let ring = WorkerName(target.worker).flatMap({ workers[$0]?.ring }) else {
            return OutputAnswer(next: OutputPosition(epoch: epoch, count: 0))
        }
        let start = min(max(from.count, ring.gone), ring.count)
        let (lines, seen) = take(ring.lines.dropFirst(Int(start - ring.gone)), query)
        return OutputAnswer(
            lines: lines, next: OutputPosition(epoch: epoch, count: start + Int64(seen)),
            lost: max(0, ring.gone - from.count))
    }

    /// Of all workers in the order in which they wrote. Rings go their own pace, so lines are missing in between.
    private func linesOfAll(_ query: OutputQuery, _ from: Int64) -> OutputAnswer {
        let from = min(from, count)
        var candidates: [OutputLine] = []
        var isAll = true
        for worker in workers.values {
            let lines = worker.ring.lines
            let rest = lines.dropFirst(Self.index(in: lines, atOrBehind: from))
            // No more than that can be among the first.
            if rest.count > Self.candidatesMax { isAll = false }
            candidates += rest.prefix(Self.candidatesMax)
        }
        candidates.sort { $0.isBefore($1) }
        if !isAll { candidates = Array(candidates.prefix(Self.candidatesMax)) }
        let (lines, seen) = take(candidates, query)
        let isEnd = isAll && seen == candidates.count
        let next = isEnd ? count : seen > 0 ? candidates[seen - 1].number + 1 : from
        return OutputAnswer(
            lines: lines, next: OutputPosition(epoch: epoch, count: next), lost: next - from - Int64(seen))
    }

    private static let candidatesMax = 20_000

    private static func index(in lines: Deque<OutputLine>, atOrBehind number: Int64) -> Int {
        var (low, high) = (0, lines.count)
        while low < high {
            let middle = (low + high) / 2
            if lines[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// - Returns: the first of them that were asked for and fit in an answer, and how many were looked at for it.
    private func take(_ lines: some Collection<OutputLine>, _ query: OutputQuery) -> (lines: [OutputLine], seen: Int) {
        var taken: [OutputLine] = []
        var seen = 0
        var room = Self.answerBytesMax
        for line in lines {
            if line.isOf(query) {
                guard taken.count < max(1, query.count), room >= line.cost else { break }
                room -= line.cost
                taken.append(line)
            }
            seen += 1
        }
        return (taken, seen)
    }
}
