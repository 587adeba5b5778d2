internal import ColaCore
internal import ColaStore

// How a run begins and ends: what is declared, and what must be true when all is well again.
extension World {
    private static let second: Int64 = 1_000_000_000

    /// Makes queues, topics and exchanges, before anything goes wrong.
    func setUp() {
        enter(.healing)
        let client = SimulatedClient(number: 0, world: self)
        clients = [client]
        client.connectQuietly()
        for place in places { client.session?.declare(place) }
        for binding in Route.bindings {
            client.session?.declareExchange(binding.0, type: binding.1)
            client.session?.bind(binding.0, to: places[binding.2].name, key: binding.3)
        }
        if !run(until: { client.session?.isIdle ?? false }, within: 30 * Self.second), violations.isEmpty {
            complain("the first declarations are not answered")
        }
        client.leave()
        enter(.open)
    }

    /// Everything works again; whoever is still connected must be answered.
    func heal() {
        guard violations.isEmpty else { return }
        enter(.healing)
        if process == nil { startServer() }
        if let process, process.isOutOfRoom { findRoom(process) }
        for client in clients {
            if let link = client.conversation?.link, link.isSilent { link.reset("it was silent") }
            client.conversation?.finish()
        }
        let isAnswered = run(
            until: { clients.allSatisfy { $0.conversation.map { $0.isIdle && !$0.isBlocked } ?? true } },
            within: 60 * Self.second)
        if !isAnswered, violations.isEmpty {
            for client in clients { client.conversation?.complainAboutPending() }
        }
        for client in clients {
            if let conversation = client.conversation, conversation.isBlocked {
                complain("\(client.number) was not told of the room")
            }
            client.leave()
        }
        for link in process?.links ?? [] { link.reset("everyone leaves") }
        // A commit that hangs has come to its end by then.
        pass(Self.second)
        guard violations.isEmpty else { return }
        // So far in the future everything has expired or come due, however often the clocks went back ten years.
        stopServer()
        clock.wallOffset += 500 * 366 * 86_400_000
        run(until: { process != nil }, within: Self.second)
    }

    /// One client takes all that is left; then the store must be empty of it.
    func drain() {
        guard violations.isEmpty else { return }
        enter(.draining)
        let client = SimulatedClient(number: 99, world: self)
        clients.append(client)
        client.connectQuietly()
        guard let session = client.session else { return complain("nobody can connect at the end") }
        for place in places { session.drain(place) }
        // Until nothing has come for a while.
        var last = -1
        for _ in 0..<1_000 where violations.isEmpty {
            pass(Self.second / 2)
            if tally.delivered + tally.records == last, session.isIdle { break }
            last = tally.delivered + tally.records
        }
        guard violations.isEmpty else { return }
        session.checkEmpty()
        run(until: { session.isIdle }, within: 10 * Self.second)
        if !session.isIdle { session.complainAboutPending() }
        guard violations.isEmpty else { return }
        ledger.finish()
        checkStore()
        client.leave()
        run(until: { process?.links.isEmpty ?? false }, within: Self.second)
        for sentence in violations { note("VIOLATION \(sentence)") }
    }

    /// Only topics may keep something.
    private func checkStore() {
        // Definitions were made in the order of the places, so their logs have these numbers; behind them come those of
        // higher priorities.
        let topics = places.filter { $0.kind == .topic }.map { $0.number + 1 }
        for number in 1...places.count + 10 where !topics.contains(number) {
            let name = number <= places.count ? places[number - 1].name : "log \(number)"
            guard let stored = disk.contents(of: LogID(Int64(number))) else { continue }
            if !stored.chunks.isEmpty || !stored.settled.isEmpty || !stored.released.isEmpty {
                complain("\(name) is empty, but the store keeps \(stored)")
            }
            // The floor may lag: where there is nothing to read, nobody has a reason to write down that there is not.
            if stored.state.ready != 0 || stored.state.bytes != 0 || stored.state.floor > stored.state.next {
                complain("\(name) is empty, but its state is \(stored.state)")
            }
        }
    }
}
