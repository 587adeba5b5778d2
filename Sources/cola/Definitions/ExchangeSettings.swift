import ArgumentParser
import ColaClient

/// What exchanges of some types are declared with beside their type.
struct ExchangeSettings: ParsableArguments {
    enum Property: String, ExpressibleByArgument, CaseIterable, Sendable {
        case messageID = "message-id"
        case correlationID = "correlation-id"
        case timestamp
    }

    @Option(
        name: .long,
        help: ArgumentHelp("x-consistent-hash: the header to hash, not the routing key.", valueName: "name"))
    var hashHeader: String?

    @Option(name: .long, help: "x-consistent-hash: message-id, correlation-id or timestamp, to hash that.")
    var hashProperty: Property?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "x-recent-history: messages to keep for what is bound later, 1 to 10000. (default: 20)",
            valueName: "count"))
    var recentHistoryLength: Int?

    /// - Parameter type: of the exchange; nil: it is something else.
    func check(for type: Declare.ExchangeType?) throws {
        if hashHeader != nil || hashProperty != nil, type != .consistentHash {
            throw ValidationError("--hash-header and --hash-property go with --type x-consistent-hash")
        }
        if hashHeader != nil, hashProperty != nil {
            throw ValidationError("one thing is hashed: give --hash-header or --hash-property, not both")
        }
        guard let length = recentHistoryLength else { return }
        guard type == .recentHistory else {
            throw ValidationError("--recent-history-length goes with --type x-recent-history")
        }
        guard (1...10_000).contains(length) else { throw ValidationError("--recent-history-length is 1 to 10000") }
    }

    func fill(_ options: inout Client.ExchangeOptions) {
        options.hashHeader = hashHeader
        options.hashProperty = hashProperty?.rawValue
        options.historyLength = recentHistoryLength
    }
}
