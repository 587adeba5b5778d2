internal import ColaNative

/// What a consumer was begun with, so that it can be begun again on another connection.
struct ConsumePlan: Sendable {
    var name: String
    /// Messages that are here and not taken, or with acknowledgements not acknowledged. 1 to 65,535.
    var prefetch = 100
    /// Messages in all; nil is no limit.
    var limit: Int?
    var isAutomatic = false
    var priority: Int?
    var isExclusive = false
    /// Whether what it consumes ends with the connection, so that it cannot begin again.
    var endsWithConnection = false
    /// Topics only.
    var isTopic = false
    var from: String?
    var group: String?
    var join: String?
    var partitions: [Int]?

    init(_ name: String) { self.name = name }

    /// Whether the server counts what it sends, and not what is acknowledged.
    var usesCredit: Bool { isAutomatic || limit != nil }

    /// Whether what came and was not taken would be lost with the connection, and so is kept. A topic's comes again.
    var keepsWhatCame: Bool { isAutomatic && !isTopic }

    func request(_ consumer: Int64, credit: Int, from: String?) -> ClientRequest.Consume {
        var consume = ClientRequest.Consume(name: name, consumer: consumer)
        consume.flow = usesCredit ? .credit(credit) : .prefetch(prefetch)
        consume.ack = isAutomatic ? "auto" : nil
        consume.priority = priority
        consume.isExclusive = isExclusive
        consume.from = from
        consume.group = group
        consume.join = join
        consume.partitions = partitions
        return consume
    }
}
