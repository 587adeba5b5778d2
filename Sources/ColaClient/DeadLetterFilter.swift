internal import ColaCore
internal import ColaNative
internal import NIOCore

/// Which dead letters are meant: those that fit all that is said.
public struct DeadLetterFilter: Hashable, Sendable {
    /// Why it died last: `rejected`, `expired`, `maxlen` or `delivery_limit`.
    public var reason: String?
    /// Where it died last.
    public var queue: String?
    /// How the last attempt at it ended: `exited`, `timed-out` or `returned`, for example.
    public var end: String?
    /// Its record key.
    public var key: String?
    /// Stands somewhere in its body; 1 to 255 bytes.
    public var text: String?
    /// It has been where it is for so long or longer.
    public var olderThanMilliseconds: Int64?
    /// It has been where it is for less than this.
    public var youngerThanMilliseconds: Int64?
    /// It has each of them.
    public var headers: [Header] = []

    public init() {}

    func describe(in redrive: inout ClientRequest.Redrive) {
        redrive.reason = reason
        redrive.queue = queue
        redrive.end = end
        redrive.key = key
        redrive.text = text
        redrive.oldest = olderThanMilliseconds
        redrive.youngest = youngerThanMilliseconds
        redrive.headers = headers.map { ClientRequest.Pair($0.name, $0.value) }
    }

    /// The same rule as the server's, for those who look before they ask.
    /// - Parameter now: by the clock of this machine, milliseconds since 1970.
    package func includes(_ message: StoredMessage, at now: Int64) -> Bool {
        var filter = DeathFilter()
        filter.reason = reason.flatMap(DeathReason.init)
        filter.queue = queue
        filter.end = end.flatMap(Attempt.End.init)
        filter.key = key.map { Array($0.utf8) }
        filter.text = text.map { Array($0.utf8) }
        filter.oldest = olderThanMilliseconds
        filter.youngest = youngerThanMilliseconds
        filter.headers = headers.map { DeathFilter.Header(name: Array($0.name.utf8), value: $0.bytes) }
        var record = ColaCore.Message(
            key: message.key.map { $0[...] }, value: message.isNull ? nil : Array(message.body.readableBytesView)[...])
        for header in message.headers { record.headers.append(name: header.name.utf8, value: header.bytes) }
        return filter.includes(
            record, taken: Timestamp(message.timestampMilliseconds ?? now), at: Timestamp(now))
    }
}
