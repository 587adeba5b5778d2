import ColaClient

/// Why and where a dead letter died: the broker's header `cola-death`, read.
///
/// Shape:  REASON COUNT TIME QUEUE EXCHANGE ROUTING-KEY, each escaped as in a line of the protocol
/// Source: `protocol/native.md` section 3.4
struct DeathRecord: Equatable, Sendable {
    var reason: String
    /// How often it died there for this reason.
    var count: Int
    /// When for the first time, milliseconds since 1970, UTC.
    var milliseconds: Int64
    var queue: String
    var exchange: String
    var routingKey: String

    /// Nil if the header is of another form.
    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(Self.plain)
        guard words.count == 6, let count = Int(words[1]), let milliseconds = Int64(words[2]) else { return nil }
        self.count = count
        self.milliseconds = milliseconds
        (reason, queue, exchange, routingKey) = (words[0], words[3], words[4], words[5])
    }

    /// The last death of a message; nil if it is none that died, or if it is back where it died.
    init?(of message: StoredMessage, in queue: String) {
        guard let last = message.headers.last(where: { $0.name == "cola-death" }), let record = DeathRecord(last.value),
            record.queue != queue
        else { return nil }
        self = record
    }

    private static func plain(_ word: Substring) -> String {
        if word == "%" { return "" }
        var bytes: [UInt8] = []
        var rest = word.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let code = UInt8(String(rest.prefix(2)) ?? "", radix: 16) {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
