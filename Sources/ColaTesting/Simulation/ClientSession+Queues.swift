internal import ColaNative
internal import NIOCore

// What clients do with queues.
extension ClientSession {
    private var queues: [Place] { world.places.filter { $0.kind == .queue } }

    /// A refusal that nothing in a run should lead to.
    func refuse(_ name: String, _ code: String) {
        world.complain("\(name) over link \(link.number) was refused: \(code)")
    }

    func expectOK(_ name: String) -> (Outcome, [ServerLine.Arrival]) -> Void {
        { [unowned self] outcome, _ in if case .refused(let code) = outcome { refuse(name, code) } }
    }

    // MARK: Definitions

    func declare(_ place: Place) {
        ask("declare", declaration(of: place), expectOK("declare \(place.name)"))
    }

    private func declaration(of place: Place) -> ClientRequest {
        guard place.kind == .queue else { return .declareTopic(place.name) }
        var options = ClientRequest.QueueOptions()
        options.arguments = place.arguments.map { ClientRequest.Pair($0.name, $0.value) }
        return .declareQueue(place.name, options)
    }

    func declareAgain() { if let place = world.pick(world.places) { declare(place) } }

    func declareExchange(_ name: String, type: String) {
        ask("declare", .declareExchange(name, .init(type: type)), expectOK("declare \(name)"))
    }

    func bind(_ exchange: String, to place: String, key: String) {
        ask("bind", .bind(ClientRequest.Binding(exchange, to: place, key: key)), expectOK("bind \(exchange)"))
    }

    // MARK: Publishing

    func publishOne() {
        guard world.mayPublish, let route = world.pick(Route.all) else { return }
        publish(route, size: world.drawSize())
    }

    func publish(_ route: Route, size: Int) {
        let terms = world.drawTerms(on: route)
        let (number, bodies) = world.ledger.publish(
            [size], to: route.places, over: link.number, life: link.life, with: terms, at: world.time)
        let template = PublishTemplate(
            routingKey: route.key, exchange: route.exchange, properties: terms.properties)
        world.tally.published += 1
        ask(
            "pub \(number) \(route.key)", write: { template.write(body: bodies[0], tag: $1, to: &$0) },
            published(number))
    }

    func publishMany() {
        guard world.mayPublish, let route = world.pick(Route.all) else { return }
        publish(route, sizes: (0..<world.draw(1...5)).map { _ in world.drawSize() })
    }

    /// Publishes a batch, in one request.
    func publish(_ route: Route, sizes: [Int]) {
        var terms = world.drawTerms(on: route)
        // Each message has an id of its own.
        terms.id = nil
        let (number, bodies) = world.ledger.publish(
            sizes, to: route.places, over: link.number, life: link.life, with: terms, at: world.time)
        world.tally.published += bodies.count
        ask(
            "pubs \(number) \(route.key)",
            .publishBatch(
                routingKey: route.key, exchange: route.exchange, isMandatory: true, properties: terms.properties,
                bodies: bodies), published(number))
    }

    private func published(_ number: Int) -> (Outcome, [ServerLine.Arrival]) -> Void {
        { [unowned self] outcome, _ in
            switch outcome {
            case .ok(let answer):
                world.tally.confirmed += 1
                let isDuplicate = answer.text("duplicate") == "yes"
                world.ledger.answer(number, isDuplicate ? .duplicate : .confirmed, at: world.time)
            case .refused(let code):
                world.ledger.answer(number, .refused, at: world.time)
                let mayRefuse = world.ledger.publishes[number].places.contains { world.places[$0].mayRefuse }
                if code != "full" || !mayRefuse { refuse("publish \(number)", code) }
            }
        }
    }

    // MARK: Consuming

    func consumeQueue() {
        guard liveConsumers.count < 3, let place = world.pick(queues) else { return }
        let isCredited = world.isOne(in: 4)
        let isAutoAck = place.isLoose && world.isOne(in: 2)
        let number = addConsumer(of: place, isAutoAck: isAutoAck, isCredited: isCredited)
        var consume = ClientRequest.Consume(name: place.name, consumer: number)
        consume.flow = isCredited ? .credit(world.draw(0...4)) : .prefetch(world.draw(1...6))
        consume.ack = isAutoAck ? "auto" : nil
        ask("consume \(place.name)", .consume(consume), expectOK("consume"))
    }

    func consume(_ place: Place, prefetch: Int) {
        let number = addConsumer(of: place, isAutoAck: false)
        var consume = ClientRequest.Consume(name: place.name, consumer: number)
        consume.flow = .prefetch(prefetch)
        ask("consume \(place.name)", .consume(consume), expectOK("consume"))
    }

    func grantCredit() {
        guard let consumer = world.pick(liveConsumers.filter(\.isCredited)) else { return }
        let request = ClientRequest.credit(consumer: consumer.number, count: world.draw(1...4))
        // A read from the disk may have failed, which ends a consumer.
        if usesTags {
            ask("credit", request) { [unowned self] outcome, _ in
                if case .refused(let code) = outcome, code != "not_found" { refuse("credit", code) }
            }
        } else if world.plan.readFaults == 0 {
            tell("credit \(consumer.number)", request)
        }
    }

    func cancelOne() {
        guard let consumer = world.pick(liveConsumers) else { return }
        endConsumer(consumer.number)
        ask("cancel", .cancel(consumer: consumer.number)) { [unowned self] outcome, _ in
            // A read from the disk may have failed, which ends a consumer.
            if case .refused(let code) = outcome, code != "not_found" { refuse("cancel", code) }
        }
    }

    func getOne() {
        guard let place = world.pick(queues.filter { !$0.isSingleActive }) else { return }
        get(place, isAutoAck: place.isLoose && world.isOne(in: 2))
    }

    func get(_ place: Place, isAutoAck: Bool) {
        ask("get \(place.name)", .get(place.name, ack: isAutoAck ? "auto" : "manual")) { [unowned self] outcome, _ in
            switch outcome {
            case .ok(let answer):
                guard let body = answer.body, let offset = answer.number("offset") else { return }
                var arrival = ServerLine.Arrival(
                    consumer: 0, delivery: answer.number("delivery") ?? 0, offset: offset)
                arrival.failedDeliveries = answer.number("r")
                arrival.headers = answer.options.filter { $0.name.hasPrefix("h.") }.map {
                    ServerLine.Option(name: String($0.name.dropFirst(2)), value: $0.value)
                }
                arrival.body = body
                take(arrival, of: place, isAutoAck: isAutoAck, isAnswer: true)
            case .refused(code: "limit"), .refused(code: "storage"): break
            case .refused(let code): refuse("get", code)
            }
        }
    }

    // MARK: Settling

    func settleSome() {
        guard !held.isEmpty else { return }
        let first = world.draw(0...held.count - 1)
        // Only what has neighbouring numbers: others may be on their way, in an answer.
        var last = first
        let most = world.isOne(in: 3) ? first + world.draw(0...4) : first
        while last < most, last + 1 < held.count, held[last + 1].delivery == held[last].delivery + 1 { last += 1 }
        let settlement: ClientRequest.Acknowledgement =
            switch world.draw(0...9) {
            case 0...2: .nack
            case 3: .reject
            default: .ack
            }
        settle(first...last, settlement)
    }

    /// Settles what it holds at these indices.
    ///
    /// - Parameter isAsked: whether an answer is wanted; nil: now and then.
    func settle(
        _ indices: ClosedRange<Int>, _ settlement: ClientRequest.Acknowledgement, isAsked: Bool? = nil
    ) {
        let deliveries = held[indices.lowerBound].delivery...held[indices.upperBound].delivery
        let request = ClientRequest.acknowledge(settlement, deliveries)
        let name = "\(settlement) \(deliveries.lowerBound)-\(deliveries.upperBound)"
        let receptions = held[indices].map(\.reception)
        held.removeSubrange(indices)
        for reception in receptions {
            reception.settle(settlement, at: world.time)
            didSettle(reception)
            world.tally.acknowledged += 1
        }
        // Only one that carries a tag is answered.
        let isAsked = isAsked ?? (usesTags && world.isOne(in: 3))
        if isAsked { ask(name, request, expectOK(name)) } else { tell(name, request) }
    }

    // MARK: Looking

    func peekSome() {
        guard let place = world.pick(world.places) else { return }
        let from = Int64(world.draw(0...20))
        let priority = place.prioritiesMost > 0 ? world.draw(0...place.prioritiesMost) : nil
        let request = ClientRequest.peek(place.name, from: from, count: world.draw(1...20), priority: priority)
        ask("peek \(place.name)", request) { [unowned self] outcome, found in
            if case .refused(let code) = outcome, code != "storage" { refuse("peek", code) }
            var last = PeekPlace(priority: priority ?? 0, offset: from - 1)
            for arrival in found {
                let this = PeekPlace(priority: place.priority(of: arrival), offset: arrival.offset)
                if !last.comes(before: this) { world.complain("a peek of \(place.name) shows \(this) after \(last)") }
                last = this
                world.ledger.peeked(arrival.body, offset: arrival.offset, in: place)
            }
            guard case .ok(let answer) = outcome, let next = answer.number("next") else { return }
            let end = PeekPlace(priority: Int(answer.number("priority") ?? 0), offset: next - 1)
            if found.isEmpty || end != last { world.complain("a peek that ends at \(last) goes on behind \(end)") }
        }
    }

    func look() {
        guard world.isOne(in: 2) else {
            return ask("list", .list(world.pick(["queues", "topics"]) ?? "queues"), expectOK("list"))
        }
        ask("stat", .stat) { [unowned self] outcome, _ in
            guard case .ok(let answer) = outcome, let body = answer.body else { return }
            // G10
            let memory = String(buffer: body).firstMatch(of: /"memory":(\d+)/).flatMap { Int($0.1) }
            guard let memory, memory <= world.plan.memoryMost else {
                return world.complain("the server keeps \(memory ?? -1) bytes of records in memory")
            }
        }
    }

    func purgeOne() {
        guard let place = world.pick(queues.filter { $0.isLoose || $0.number <= Place.plainLast && world.isOne(in: 8) })
        else { return }
        world.ledger.purge(place.number, begins: true)
        purging.append(place.number)
        ask("purge \(place.name)", .purge(place.name)) { [unowned self] outcome, _ in
            purging.removeFirst()
            world.ledger.purge(place.number, begins: false)
            if case .refused(let code) = outcome { refuse("purge", code) }
        }
    }

    // MARK: The end

    /// Takes all that there is.
    func drain(_ place: Place) {
        if place.kind == .queue { consume(place, prefetch: 7) } else { drainTopic(place) }
    }

    func checkEmpty() {
        for place in world.places {
            let request = declaration(of: place)
            let left =
                place.kind == .queue ? 0 : consumers.first { $0.place.number == place.number }?.reader?.received.count
            ask("count \(place.name)", request) { [unowned self] outcome, _ in
                guard case .ok(let answer) = outcome, answer.number("ready") == left.map(Int64.init) else {
                    return world.complain("\(place.name) should hold \(left ?? -1) at the end: \(outcome)")
                }
            }
        }
    }
}
