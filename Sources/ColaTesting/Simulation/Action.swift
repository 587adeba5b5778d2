internal import ColaNative
internal import NIOCore

/// Something that a client may do, and how often it does so beside the others.
///
/// A new kind of request is a function of ``ClientSession`` and a line here.
struct Action: Sendable {
    var name: String
    var weight: Int
    var act: @Sendable (ClientSession) -> Void

    static let all: [Action] = [
        Action(name: "publish", weight: 30) { $0.publishOne() },
        Action(name: "publish many", weight: 6) { $0.publishMany() },
        Action(name: "consume", weight: 8) { $0.consumeQueue() },
        Action(name: "settle", weight: 30) { $0.settleSome() },
        Action(name: "get", weight: 5) { $0.getOne() },
        Action(name: "credit", weight: 6) { $0.grantCredit() },
        Action(name: "cancel", weight: 2) { $0.cancelOne() },
        Action(name: "ping", weight: 4) { $0.ask("ping", .ping) { _, _ in } },
        Action(name: "peek", weight: 2) { $0.peekSome() },
        Action(name: "purge", weight: 1) { $0.purgeOne() },
        Action(name: "declare again", weight: 1) { $0.declareAgain() },
        Action(name: "list", weight: 1) { $0.look() },
        Action(name: "read topic", weight: 3) { $0.readTopic() },
        Action(name: "read with group", weight: 3) { $0.readWithGroup() },
        Action(name: "commit", weight: 4) { $0.commitGroup() },
        Action(name: "quit", weight: 1) { $0.quit() },
    ]
}
