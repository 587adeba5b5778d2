internal import ColaCore

// What stands in the tables for the cases of definitions: the names of the protocols, so that a renamed case changes
// nothing on the disk.

extension ExchangeDefinition.Kind {
    var storedName: String {
        switch self {
        case .direct: "direct"
        case .fanout: "fanout"
        case .topic: "topic"
        case .headers: "headers"
        case .consistentHash: "x-consistent-hash"
        case .modulusHash: "x-modulus-hash"
        case .superStream: "x-super-stream"
        case .random: "x-random"
        case .localRandom: "x-local-random"
        case .recentHistory: "x-recent-history"
        }
    }

    init?(storedName: String) {
        guard let kind = Self.allCases.first(where: { $0.storedName == storedName }) else { return nil }
        self = kind
    }
}

extension BindingDefinition.Target {
    var storedName: String {
        switch self {
        case .queue: "queue"
        case .exchange: "exchange"
        }
    }

    init?(storedName: String) {
        guard let target = Self.allCases.first(where: { $0.storedName == storedName }) else { return nil }
        self = target
    }
}

extension PolicyDefinition.AppliesTo {
    var storedName: String {
        switch self {
        case .queues: "queues"
        case .topics: "topics"
        case .exchanges: "exchanges"
        case .all: "all"
        case .classicQueues: "classic_queues"
        case .quorumQueues: "quorum_queues"
        case .streams: "streams"
        }
    }

    init?(storedName: String) {
        guard let appliesTo = Self.allCases.first(where: { $0.storedName == storedName }) else { return nil }
        self = appliesTo
    }
}
