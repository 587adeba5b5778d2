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

        /// The same of a message in the schedule.
        package func damage(_ id: ScheduleID) {
            contents.change { contents in
                guard let index = contents.schedule.firstIndex(where: { $0.key.id == id }) else { return }
                contents.schedule[index].data[contents.schedule[index].data.count - 1] ^= 0x40
            }
        }

        /// Makes one chunk of those that lie in `run`, as a store may at any time.
        package func merge(_ log: LogID, _ run: ClosedRange<Offset>) {
            contents.change { $0.logs[log]?.merge(run) }
        }

        /// Takes from a chunk what is settled of it, likewise.
        package func compact(_ log: LogID, _ base: Offset) {
            contents.change { $0.logs[log]?.compact(base) }
        }
    }

    /// A name in a virtual host.
    struct HostName: Hashable, Comparable {
        var host: String
        var name: String

        static func < (lhs: HostName, rhs: HostName) -> Bool { (lhs.host, lhs.name) < (rhs.host, rhs.name) }
    }

    struct GroupKey: Hashable {
        var log: LogID
        var group: String
    }

    struct DedupKey: Hashable {
        var log: LogID
        var id: [UInt8]
    }

    struct Contents {
        var epoch = Epoch(0)
        var cleanEpoch = Epoch(0)
        var nextLog = LogID(1)
        var nextSchedule = ScheduleID(1)
        /// Whether a store has it open.
        var isInUse = false
        var logs: [LogID: Log] = [:]
        /// Logs that go at the next start.
        var transient: Set<LogID> = []
        var virtualHosts = [
            VirtualHostDefinition.defaultName: VirtualHostDefinition(name: VirtualHostDefinition.defaultName)
        ]
        var users = [UserDefinition.guest.name: UserDefinition.guest]
        /// By virtual host and user.
        var permissions: [HostName: PermissionDefinition] = [
            HostName(host: VirtualHostDefinition.defaultName, name: UserDefinition.guest.name):
                .all(of: UserDefinition.guest.name, in: VirtualHostDefinition.defaultName)
        ]
        /// Likewise, then by exchange.
        var topicPermissions: [HostName: [String: TopicPermissionDefinition]] = [:]
        var queues: [HostName: QueueDefinition] = [:]
        var topics: [HostName: TopicDefinition] = [:]
        var exchanges: [HostName: ExchangeDefinition] = [:]
        var policies: [HostName: PolicyDefinition] = [:]
        var bindings: Set<BindingDefinition> = []
        var groupOffsets: [GroupKey: CommittedOffset] = [:]
        /// In the order of their keys.
        var schedule: [EncodedSchedule] = []
        var seen: [DedupKey: Timestamp] = [:]
        var producers: [LogID: [Int64: ProducerState]] = [:]
        var aborted: [LogID: [AbortedTransaction]] = [:]
        var transactions: [String: ProducerTransaction] = [:]
        var quarantined: [Kept] = []
    }

    /// A copy of a damaged chunk; of log 0: of a message in the schedule.
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
