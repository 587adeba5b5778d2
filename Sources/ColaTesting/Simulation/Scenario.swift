internal import ColaCore
internal import ColaNative
internal import ColaServer

/// What a seed once found, as a story of its own: it stays when the seeds lead elsewhere.
package enum Scenario: String, CaseIterable, Sendable {
    /// A client asks for more than may wait, behind a read from the disk, and nobody writes anything any more. It was
    /// not read from again, for only a commit let anyone go on.
    case heldBehindARead
    /// A message comes back while its copy is still on its way to the one who had it: r= is right for both.
    case quitWithASlowLink
    /// A consumer takes next to nothing while much waits for it. What is written for it ends with its window; a seed
    /// has too few messages to see that.
    case windowOfASlowConsumer
    /// Of a batch one message is acknowledged before it was written, and the server dies: the batch was not confirmed.
    case partOfABatchSettledEarly
    /// Who acknowledges and then publishes what another one acknowledges at once has no answer before the first of
    /// these is on the disk.
    case answerBehindAnAcknowledgement
    /// A channel of AMQP ends with an error: what it held comes back at once, to a channel beside it.
    case mistakeOnOneChannel
    /// What a channel of AMQP gave back is not handed out to it again before the answer.
    case recoverBeforeItsAnswer
    /// A get waits for the disk while a consumer beside it on the channel takes what comes: the deliveries of both come
    /// in the order of their numbers.
    case getBesideAConsumer

    /// - Returns: what broke.
    package func run() -> [String] {
        let world = World(seed: 1) { plan in
            plan.options.limits = Limits()
            plan.commitFaults = 0
            plan.readFaults = 0
            plan.commitMost = 1_000_000
            plan.readMost = 5_000_000
            plan.hasPromptClients = false
            plan.highWaterMark = 1_000
            plan.options.limits.peekBytesMax = 100
            plan.options.limits.isDeliveryEarly = true
            if self == .windowOfASlowConsumer { plan.options.limits.windowBytes = 2_000 }
            if self == .heldBehindARead { plan.options.limits.heldAnswersMax = 2 }
            if self == .getBesideAConsumer { plan.commitMost = 50_000_000 }
            if self == .heldBehindARead || self == .getBesideAConsumer {
                plan.options.limits.cacheBytesMax = 0
                plan.options.limits.readBytesMax = 1
            }
        }
        world.startServer()
        world.setUp()
        switch self {
        case .heldBehindARead: Self.heldBehindARead(world)
        case .quitWithASlowLink: Self.quitWithASlowLink(world)
        case .windowOfASlowConsumer: Self.windowOfASlowConsumer(world)
        case .partOfABatchSettledEarly: Self.partOfABatchSettledEarly(world)
        case .answerBehindAnAcknowledgement: Self.answerBehindAnAcknowledgement(world)
        case .mistakeOnOneChannel: Self.mistakeOnOneChannel(world)
        case .recoverBeforeItsAnswer: Self.recoverBeforeItsAnswer(world)
        case .getBesideAConsumer: Self.getBesideAConsumer(world)
        }
        world.heal()
        world.drain()
        world.end()
        return world.violations
    }

    private static func connect(_ world: World, number: Int) -> ClientSession? {
        let client = SimulatedClient(number: number, world: world)
        world.clients.append(client)
        client.connectQuietly()
        return client.session
    }

    private static func heldBehindARead(_ world: World) {
        guard let session = connect(world, number: 1) else { return world.complain("nobody can connect") }
        for _ in 0..<8 { session.publish(Route.all[0], size: 0) }
        world.run(until: { session.isIdle }, within: 1_000_000_000)
        world.pass(100_000_000)
        for _ in 0..<8 { session.get(world.places[0], isAutoAck: false) }
        if !world.run(until: { session.isIdle }, within: 5_000_000_000) {
            world.complain("\(session.pendingCount) of 8 gets are not answered")
        }
    }

    private static func quitWithASlowLink(_ world: World) {
        guard let publisher = connect(world, number: 1) else { return world.complain("nobody can connect") }
        for _ in 0..<4 { publisher.publish(Route.all[0], size: 500) }
        world.run(until: { publisher.isIdle }, within: 1_000_000_000)
        let slow = SimulatedClient(number: 2, world: world)
        world.clients.append(slow)
        slow.connect(
            Link.Traits(latency: 40_000_000, jitter: 0, cut: .many, window: 1, isLocal: true), heartbeat: 0)
        guard let first = slow.session, let second = connect(world, number: 3) else { return }
        first.consume(world.places[0], prefetch: 4)
        first.quit()
        world.pass(60_000_000)
        second.consume(world.places[0], prefetch: 4)
        if !world.run(until: { second.held.count == 4 && slow.session == nil }, within: 5_000_000_000) {
            world.complain("\(second.held.count) of 4 messages came again")
        }
    }

    private static func windowOfASlowConsumer(_ world: World) {
        guard let publisher = connect(world, number: 1) else { return world.complain("nobody can connect") }
        for _ in 0..<80 { publisher.publish(Route.all[0], size: 500) }
        world.run(until: { publisher.isIdle }, within: 1_000_000_000)
        let slow = SimulatedClient(number: 2, world: world)
        world.clients.append(slow)
        slow.connect(
            Link.Traits(latency: 5_000_000, jitter: 0, cut: .whole, window: 1, isLocal: true), heartbeat: 0)
        slow.session?.consume(world.places[0], prefetch: 80)
        if !world.run(until: { slow.session?.held.count == 80 }, within: 20_000_000_000) {
            world.complain("\(slow.session?.held.count ?? 0) of 80 messages came")
        }
    }

    /// Less than a batch waits for consumers.
    private static let moment: Int64 = 300_000

    private static func partOfABatchSettledEarly(_ world: World) {
        guard let publisher = connect(world, number: 1), let consumer = connect(world, number: 2) else { return }
        consumer.consume(world.places[0], prefetch: 2)
        world.run(until: { publisher.isIdle && consumer.isIdle }, within: 1_000_000_000)
        publisher.publish(Route.all[0], sizes: [0, 0])
        if !world.run(until: { consumer.held.count == 2 }, within: moment) { world.complain("nothing came early") }
        guard consumer.held.count == 2 else { return }
        consumer.settle(0...0, .ack, isAsked: false)
        world.run(until: { publisher.isIdle }, within: moment)
        die(world)
    }

    private static func answerBehindAnAcknowledgement(_ world: World) {
        guard let first = connect(world, number: 1), let second = connect(world, number: 2) else { return }
        first.publish(Route.all[0], size: 0)
        second.consume(world.places[1], prefetch: 1)
        world.run(until: { first.isIdle && second.isIdle }, within: 1_000_000_000)
        first.consume(world.places[0], prefetch: 1)
        world.run(until: { first.isIdle && first.held.count == 1 }, within: 1_000_000_000)
        guard first.held.count == 1 else { return world.complain("nothing came") }
        first.settle(0...0, .ack, isAsked: false)
        first.publish(Route.all[1], size: 0)
        if !world.run(until: { second.held.count == 1 }, within: moment) { world.complain("nothing came early") }
        guard second.held.count == 1 else { return }
        second.settle(0...0, .ack, isAsked: false)
        world.run(until: { first.isIdle }, within: moment)
        die(world)
    }

    // MARK: AMQP

    private static func connectInAMQP(_ world: World, number: Int) -> AMQPClientSession? {
        let client = SimulatedClient(number: number, world: world)
        world.clients.append(client)
        client.connectQuietly(.amqp)
        world.run(until: { client.sessionInAMQP?.mayAct ?? false }, within: 1_000_000_000)
        return client.sessionInAMQP
    }

    private static func mistakeOnOneChannel(_ world: World) {
        guard let session = connectInAMQP(world, number: 1), let first = session.openChannel(.confirming),
            let second = session.openChannel(.plain)
        else { return world.complain("nobody can connect") }
        for _ in 0..<4 { first.publish(Route.all[0], size: 0) }
        first.consume(world.places[0])
        if !world.run(until: { first.held.count == 4 && session.isIdle }, within: 1_000_000_000) {
            world.complain("\(first.held.count) of 4 messages came")
        }
        second.consume(world.places[0])
        first.makeMistake()
        if !world.run(until: { second.held.count == 4 }, within: 1_000_000_000) {
            world.complain("\(second.held.count) of 4 messages came to the other channel")
        }
        if first.isOpen { world.complain("a channel lives on with an error") }
    }

    private static func getBesideAConsumer(_ world: World) {
        guard let publisher = connect(world, number: 1), let session = connectInAMQP(world, number: 2),
            let channel = session.openChannel(.plain)
        else { return world.complain("nobody can connect") }
        // Each in a chunk of its own.
        for place in [0, 0, 3, 3, 3, 3, 3, 3] {
            publisher.publish(Route.all[place], size: 0)
            world.run(until: { publisher.isIdle && session.isIdle }, within: 1_000_000_000)
        }
        world.pass(100_000_000)
        channel.consume(world.places[3], isAutoAck: true)
        channel.get(world.places[0])
        if !world.run(until: { channel.held.count == 1 && session.isIdle }, within: 1_000_000_000) {
            world.complain("nothing was got")
        }
    }

    private static func recoverBeforeItsAnswer(_ world: World) {
        guard let session = connectInAMQP(world, number: 1), let channel = session.openChannel(.confirming) else {
            return world.complain("nobody can connect")
        }
        for _ in 0..<4 { channel.publish(Route.all[0], size: 0) }
        channel.consume(world.places[0])
        world.run(until: { channel.held.count == 4 && session.isIdle }, within: 1_000_000_000)
        channel.settle(0, isMultiple: false, .ack)
        channel.recover()
        if !world.run(until: { session.isIdle && channel.held.count == 3 }, within: 1_000_000_000) {
            world.complain("\(channel.held.count) of 3 messages came again")
        }
    }

    private static func die(_ world: World) {
        world.kill("as the story goes")
        world.run(until: { world.process != nil }, within: 1_000_000_000)
    }
}
