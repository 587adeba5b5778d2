internal import ColaServer
internal import NIOCore

/// A client at the level of the wire: it connects, does what comes to its mind, loses its connection, and comes back.
///
/// What it knows of a connection is its ``Conversation``; what it knows for longer (where its groups stand) is here.
final class SimulatedClient {
    let number: Int
    unowned let world: World
    private(set) var conversation: (any Conversation)?
    private let speaksAMQP: Bool
    private let habits: Habits<ClientSession>
    private let habitsInAMQP: Habits<AMQPClientSession>
    /// Whether it acknowledges most of what it gets as soon as it gets it, as somebody does who has little to do.
    let isPrompt: Bool
    private var isGone = false
    /// What it knows of the position of its group in each topic, by the topic's place.
    var groups: [Int: GroupPosition] = [:]

    init(number: Int, world: World) {
        self.number = number
        self.world = world
        speaksAMQP = world.draw(1...4) <= world.plan.amqpOfFour
        habits = Habits(ClientSession.actions, in: world)
        habitsInAMQP = Habits(AMQPClientSession.actions, in: world)
        isPrompt = world.isOne(in: 2) && world.plan.hasPromptClients
    }

    /// Nil if it speaks AMQP.
    var session: ClientSession? { conversation as? ClientSession }

    /// Nil if it speaks the native protocol.
    var sessionInAMQP: AMQPClientSession? { conversation as? AMQPClientSession }

    // MARK: Coming and going

    func begin() {
        world.after(world.draw(nanoseconds: 50_000_000)) { [self] in wake() }
    }

    /// Nothing will disturb this connection.
    func connectQuietly(_ wire: EmbeddedServer.Wire = .native) {
        connect(
            Link.Traits(latency: 10_000, jitter: 0, cut: .whole, window: .max, isLocal: true, wire: wire),
            heartbeat: 0)
    }

    func connect(_ traits: Link.Traits, heartbeat: Int) {
        guard let link = world.connect(self, traits) else { return }
        world.note("client \(number) connects: link \(link.number)")
        conversation =
            switch traits.wire {
            case .native:
                ClientSession(client: self, link: link, usesTags: !world.isOne(in: 4), heartbeat: heartbeat)
            case .amqp: AMQPClientSession(client: self, link: link, heartbeat: heartbeat)
            }
        conversation?.begin()
    }

    private func connectSomehow() {
        let plan = world.plan
        let traits = Link.Traits(
            latency: 1_000 + world.draw(nanoseconds: plan.latencyMost),
            jitter: world.draw(nanoseconds: plan.latencyMost / 2),
            cut: world.pick([.whole, .few, .many]) ?? .whole, window: plan.window, isLocal: world.isOne(in: 2),
            wire: speaksAMQP ? .amqp : .native)
        connect(traits, heartbeat: world.isOne(in: 2) ? world.draw(1...2) : 0)
    }

    /// It goes without a word.
    func leave() {
        isGone = true
        guard let conversation else { return }
        conversation.link.reset("client \(number) leaves")
    }

    // MARK: Living

    private func wake() {
        guard world.phase == .open, !isGone else { return }
        if let conversation {
            if conversation.mayAct { act() }
        } else {
            connectSomehow()
        }
        let rest = world.isOne(in: 50) ? 500_000_000 : world.plan.thinkMost
        world.after(world.draw(nanoseconds: rest)) { [self] in wake() }
    }

    private func act() {
        if let session { habits.act(session, in: world) }
        if let sessionInAMQP { habitsInAMQP.act(sessionInAMQP, in: world) }
    }

    // MARK: What the link tells

    func receive(_ bytes: ByteBuffer, writtenAt: Int64, over link: Link) {
        guard let conversation, conversation.link === link else { return }
        conversation.receive(bytes, writtenAt: writtenAt)
    }

    func end(of link: Link, _ reason: String) {
        guard let conversation, conversation.link === link else { return }
        world.note("client \(number) loses link \(link.number): \(reason)")
        conversation.end()
        self.conversation = nil
        if !link.isOver { link.endToServer() }
    }
}
