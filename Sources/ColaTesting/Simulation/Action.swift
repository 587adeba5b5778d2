internal import ColaNative

/// Something that a client may do, and how often it does so beside the others.
///
/// A new kind of request is a function of ``ClientSession``, or of ``AMQPClientChannel``, and a line here.
struct Action<Session>: Sendable {
    var name: String
    var weight: Int
    var act: @Sendable (Session) -> Void
}

extension ClientSession {
    static let actions: [Action<ClientSession>] = [
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

extension AMQPClientSession {
    static let actions: [Action<AMQPClientSession>] = [
        Action(name: "publish", weight: 30) { $0.withChannel { $0.publishOne() } },
        Action(name: "publish many", weight: 6) { $0.withChannel { $0.publishMany() } },
        Action(name: "publish nowhere", weight: 2) { $0.withChannel { $0.publishNowhere() } },
        Action(name: "consume", weight: 10) { $0.withChannel { $0.consumeOne() } },
        Action(name: "read topic", weight: 4) { $0.withChannel { $0.readTopic() } },
        Action(name: "settle", weight: 30) { $0.withChannel { $0.settleSome() } },
        Action(name: "get", weight: 5) { $0.withChannel { $0.getOne() } },
        Action(name: "cancel", weight: 2) { $0.withChannel { $0.cancelOne() } },
        Action(name: "qos", weight: 3) { $0.withChannel { $0.setPrefetch() } },
        Action(name: "purge", weight: 1) { $0.withChannel { $0.purgeOne() } },
        Action(name: "look", weight: 2) { $0.withChannel { $0.look() } },
        Action(name: "recover", weight: 2) { $0.withChannel { $0.recover() } },
        Action(name: "commit", weight: 12) { $0.withChannel { $0.commit() } },
        Action(name: "roll back", weight: 2) { $0.withChannel { $0.rollBack() } },
        Action(name: "make a mistake", weight: 2) { $0.withChannel { $0.makeMistake() } },
        Action(name: "close channel", weight: 2) { $0.withChannel { $0.close() } },
        Action(name: "open channel", weight: 4) { $0.openChannel() },
        Action(name: "close", weight: 1) { $0.close() },
    ]
}

/// What a client likes to do: every one has its own habits.
struct Habits<Session> {
    private let weighted: [(action: Action<Session>, weight: Int)]
    private let sum: Int

    init(_ actions: [Action<Session>], in world: World) {
        weighted = actions.map { ($0, $0.weight * world.draw(0...3)) }
        sum = weighted.reduce(1) { $0 + $1.weight }
    }

    func act(_ session: Session, in world: World) {
        var chosen = world.draw(0...sum)
        for habit in weighted {
            chosen -= habit.weight
            if chosen < 0 { return habit.action.act(session) }
        }
    }
}
