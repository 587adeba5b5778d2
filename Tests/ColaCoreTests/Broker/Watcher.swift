import ColaCore
import ColaTesting

/// Keeps what the broker says that ``Heard`` leaves out: partitions, keys, and who reads what in a group.
final class Watcher {
    struct Record: Equatable {
        var partition: Int
        var offset: Int64
        var key: String?
        /// Nil: it has none.
        var body: String?
    }

    struct Source: Hashable {
        var channel: ChannelID
        var consumer: UInt64
    }

    private(set) var records: [Source: [Record]] = [:]
    private(set) var assignments: [Source: [Assignment]] = [:]
    private(set) var refusals: [BrokerError] = []
    private(set) var blocked: [String?] = []
    private(set) var queries = 0
    private(set) var reads = 0

    init(_ broker: TestBroker) {
        // A test may be done with it before the broker is.
        broker.effectListener = { [weak self] in self?.note($0) }
    }

    private func note(_ effect: Effect) {
        switch effect {
        case .deliver(let channel, let tag, let delivery):
            records[Source(channel: channel, consumer: tag.rawValue), default: []].append(Record(delivery))
        case .assigned(let channel, let tag, let assignment):
            assignments[Source(channel: channel, consumer: tag.rawValue), default: []].append(assignment)
        case .reply(_, _, .refused(let error)): refusals.append(error)
        case .blocked(let reason): blocked.append(reason)
        case .ask: queries += 1
        case .read: reads += 1
        default: break
        }
    }

    /// Takes what a consumer was sent.
    func take(_ channel: ChannelID, _ consumer: UInt64 = 1) -> [Record] {
        records.removeValue(forKey: Source(channel: channel, consumer: consumer)) ?? []
    }

    /// Takes what a member of a group was told, and keeps the last of it.
    func assignment(_ channel: ChannelID, _ consumer: UInt64 = 1) -> Assignment? {
        assignments.removeValue(forKey: Source(channel: channel, consumer: consumer))?.last
    }
}

extension Watcher.Record {
    init(_ delivery: Delivery) {
        let entry = delivery.entry
        partition = delivery.partition
        offset = entry.offset.rawValue
        key = entry.key.isNull ? nil : String(decoding: delivery.data[entry.key.range], as: UTF8.self)
        body = entry.value.isNull ? nil : String(decoding: delivery.data[entry.value.range], as: UTF8.self)
    }
}
