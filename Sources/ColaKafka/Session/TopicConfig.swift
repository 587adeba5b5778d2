internal import ColaCore

/// What can be said of a topic, by Kafka's names.
///
/// Source: Kafka documentation, "Topic Configs"
struct TopicConfig {
    /// Numbers as in DescribeConfigs. Source: KIP-569
    enum Kind: Int8 {
        case string = 2
        case int = 3
        case long = 5
        case list = 7
    }

    /// Where a value comes from. Source: `DescribeConfigsResponse.ConfigSource`
    enum Source {
        static let topic: Int8 = 1
        static let standard: Int8 = 5
    }

    let name: String
    let kind: Kind
    /// What holds where nothing is said.
    let standard: String
    /// What it is here; nil: it is always as `standard` says.
    let argument: Argument?

    static let all: [TopicConfig] = [
        TopicConfig(name: "cleanup.policy", kind: .list, standard: "delete", argument: .cleanup),
        TopicConfig(name: "compression.type", kind: .string, standard: "producer", argument: nil),
        TopicConfig(name: "delete.retention.ms", kind: .long, standard: "86400000", argument: .deleteRetention),
        TopicConfig(name: "max.message.bytes", kind: .int, standard: "1048588", argument: nil),
        TopicConfig(name: "message.timestamp.type", kind: .string, standard: "CreateTime", argument: nil),
        TopicConfig(name: "min.insync.replicas", kind: .int, standard: "1", argument: nil),
        TopicConfig(name: "retention.bytes", kind: .long, standard: "-1", argument: .retentionBytes),
        TopicConfig(name: "retention.ms", kind: .long, standard: "-1", argument: .retentionMilliseconds),
    ]

    /// What Kafka knows besides: how it lays out its files, flushes them and copies them to others. It is taken and has
    /// no effect, as there is no such thing here.
    static let withoutEffect: Set<String> = [
        "compression.gzip.level", "compression.lz4.level", "compression.zstd.level", "file.delete.delay.ms",
        "flush.messages", "flush.ms", "follower.replication.throttled.replicas", "index.interval.bytes",
        "leader.replication.throttled.replicas", "local.retention.bytes", "local.retention.ms",
        "max.compaction.lag.ms", "message.downconversion.enable", "message.format.version",
        "message.timestamp.after.max.ms", "message.timestamp.before.max.ms", "message.timestamp.difference.max.ms",
        "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "preallocate", "remote.storage.enable",
        "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms",
        "unclean.leader.election.enable",
    ]

    /// The value that a topic has.
    func value(in arguments: Arguments) -> (text: String, isOwn: Bool) {
        guard let text = argument?.text(in: arguments) else { return (standard, false) }
        return (text, true)
    }

    /// What a client says of a topic that it makes.
    ///
    /// - Throws: what is wrong with it.
    static func read(_ name: String, _ value: String?, into arguments: inout Arguments) throws(Argument.Refusal) {
        guard let config = all.first(where: { $0.name == name }) else {
            guard withoutEffect.contains(name) else {
                throw Argument.Refusal(sentence: "there is no topic config '\(name)'")
            }
            return
        }
        guard let value, value != config.standard else { return }
        guard let argument = config.argument else {
            throw Argument.Refusal(sentence: "\(name) is always \(config.standard) here, so not '\(value)'")
        }
        // Any negative number is no limit, which is not to say one.
        if config.kind == .long, value.hasPrefix("-") { return }
        let text = argument == .cleanup ? cleanup(value) : value
        do throws(Argument.Refusal) {
            try argument.set(text, in: &arguments)
        } catch {
            throw Argument.Refusal(sentence: "\(name) = '\(value)' cannot be: \(error.sentence)")
        }
    }

    /// `delete,compact` in any order is one policy here.
    private static func cleanup(_ value: String) -> String {
        let words = Set(value.split(separator: ",").map { $0.filter { $0 != " " } })
        return words == ["compact", "delete"] ? Arguments.Cleanup.compactAndDelete.rawValue : value
    }
}
