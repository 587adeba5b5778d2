internal import ColaNative
internal import NIOCore

/// A client at the level of the wire: it connects, does what comes to its mind, loses its connection, and comes back.
///
/// What it knows of a connection is its ``ClientSession``; what it knows for longer (where its groups stand) is here.
final class SimulatedClient {
    let number: Int
    unowned let world: World
    private(set) var session: ClientSession?
    /// How often it does each of the things that can be done: every client has its own habits.
    private let habits: [(action: Action, weight: Int)]
    private let weights: Int
    /// Whether it acknowledges most of what it gets as soon as it gets it, as somebody does who has little to do.
    let isPrompt: Bool
    private var isGone = false
    /// What it knows of the position of its group in each topic, by the topic's place.
    var groups: [Int: GroupPosition] = [:]

    init(number: Int, world: World) {
        self.number = number
        self.world = world
        habits = Action.all.map { ($0, $0.weight * world.draw(0...3)) }
        isPrompt = world.isOne(in: 2) && world.plan.hasPromptClients
        weights = habits.reduce(1) { $0 + $1.weight }
    }

    // MARK: Coming and going

    func begin() {
        world.after(world.draw(nanoseconds: 50_000_000)) { [self] in wake() }
    }

    /// Nothing will disturb this connection.
    func connectQuietly() {
        connect(Link.Traits(latency: 10_000, jitter: 0, cut: .whole, window: .max, isLocal: true), heartbeat: 0)
    }

    func connect(_ traits: Link.Traits, heartbeat: Int) {
        guard let link = world.connect(self, traits) else { return }
        world.note("client \(number) connects: link \(link.number)")
        session = ClientSession(client: self, link: link, usesTags: !world.isOne(in: 4), heartbeat: heartbeat)
        session?.begin()
    }

    private func connectSomehow() {
        let plan = world.plan
        let traits = Link.Traits(
            latency: 1_000 + world.draw(nanoseconds: plan.latencyMost),
            jitter: world.draw(nanoseconds: plan.latencyMost / 2),
            cut: world.pick([.whole, .few, .many]) ?? .whole, window: plan.window, isLocal: world.isOne(in: 2))
        connect(traits, heartbeat: world.isOne(in: 2) ? world.draw(1...2) : 0)
    }

    /// It goes without a word.
    func leave() {
        isGone = true
        guard let session else { return }
        session.link.reset("client \(number) leaves")
    }

    // MARK: Living

    private func wake() {
        guard world.phase == .open, !isGone else { return }
        if let session {
            if session.mayAct { act(session) }
        } else {
            connectSomehow()
        }
        let rest = world.isOne(in: 50) ? 500_000_000 : world.plan.thinkMost
        world.after(world.draw(nanoseconds: rest)) { [self] in wake() }
    }

    private func act(_ session: ClientSession) {
        var chosen = world.draw(0...weights)
        for habit in habits {
            chosen -= habit.weight
            if chosen < 0 { return habit.action.act(session) }
        }
    }

    // MARK: What the link tells

    func receive(_ bytes: ByteBuffer, writtenAt: Int64, over link: Link) {
        guard let session, session.link === link else { return }
        session.receive(bytes, writtenAt: writtenAt)
    }

    func end(of link: Link, _ reason: String) {
        guard let session, session.link === link else { return }
        world.note("client \(number) loses link \(link.number): \(reason)")
        session.end()
        self.session = nil
        if !link.isOver { link.endToServer() }
    }
}
