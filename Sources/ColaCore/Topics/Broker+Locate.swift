// Where in their logs records are.
extension Broker {
    func locate(_ places: [LogPlace], _ id: RequestID, for channel: Channel) {
        let locating = Locating(request: id, channel: channel, count: places.count)
        for (index, place) in places.enumerated() {
            do throws(TopicRefusal) {
                let partition = try partition(at: place.place, for: .read, channel)
                let log = partition.log
                switch place.target {
                case .start: locating.results[index] = .success(LocatedRecord(offset: log.start))
                case .end: locating.results[index] = .success(LocatedRecord(offset: log.committedEnd))
                case .stableEnd: locating.results[index] = .success(LocatedRecord(offset: partition.stableEnd))
                case .time(let time): find(.record(log.id, asYoungAs: time), index, locating)
                case .youngest: find(.youngest(log.id), index, locating)
                }
            } catch {
                locating.results[index] = .failure(error)
            }
        }
        if locating.pending == 0 { answer(locating) }
    }

    private func find(_ query: Query, _ index: Int, _ locating: Locating) {
        locating.pending += 1
        if searches[query] == nil { effects.append(.ask(query)) }
        searches[query, default: []].append((locating, index))
    }

    private func answer(_ locating: Locating) {
        guard channels[locating.channel.id] === locating.channel else { return }
        effects.append(.reply(locating.channel.id, locating.request, .topic(.located(locating.results))))
    }

    func found(_ record: LocatedRecord?, for query: Query) {
        end(query, with: .success(record ?? LocatedRecord(offset: nil)))
    }

    func searchFailed(_ query: Query, reason: String) {
        end(query, with: .failure(.broker(.storage(reason))))
    }

    private func end(_ query: Query, with result: Result<LocatedRecord, TopicRefusal>) {
        for (locating, index) in searches.removeValue(forKey: query) ?? [] {
            locating.results[index] = result
            locating.pending -= 1
            if locating.pending == 0 { answer(locating) }
        }
    }
}

/// A look for places in logs that waits for the store.
final class Locating {
    let request: RequestID
    let channel: Channel
    var results: [Result<LocatedRecord, TopicRefusal>]
    /// What the store was asked and has not answered.
    var pending = 0

    init(request: RequestID, channel: Channel, count: Int) {
        self.request = request
        self.channel = channel
        results = Array(repeating: .success(LocatedRecord(offset: nil)), count: count)
    }
}
