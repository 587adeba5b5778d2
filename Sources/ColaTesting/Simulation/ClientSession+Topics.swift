internal import ColaNative
internal import NIOCore

// What clients do with topics.
extension ClientSession {
    private var topics: [Place] { world.places.filter { $0.kind == .topic } }

    func readTopic() {
        guard liveConsumers.count < 3, let place = world.pick(topics) else { return }
        let topic = world.ledger.topics[place.number]
        switch world.draw(0...2) {
        case 0: read(place, from: "first", group: nil, starts: [0])
        case 1: read(place, from: "next", group: nil, starts: nil)
        default:
            guard let offset = topic.knownOffset({ world.pick($0) }) else { return }
            read(place, from: "\(offset)", group: nil, starts: [offset])
        }
    }

    private func read(_ place: Place, from: String?, group: String?, starts: [Int64]?) {
        let reader = TopicReader(
            name: "link \(link.number)'s reader from \(from ?? group ?? "")", topic: world.ledger.topics[place.number],
            starts: starts, ledger: world.ledger)
        let isAutoAck = world.isOne(in: 2)
        let number = addConsumer(of: place, isAutoAck: isAutoAck, reader: reader)
        var consume = ClientRequest.Consume(name: place.name, consumer: number)
        consume.flow = .prefetch(world.draw(1...8))
        consume.ack = isAutoAck ? "auto" : nil
        consume.from = from
        consume.group = group
        ask("read \(place.name)", .consume(consume), expectOK("read"))
    }

    // MARK: Groups

    /// Each client has one group; nobody else commits for it.
    private var group: String { "g\(client.number)" }

    func readWithGroup() {
        guard let place = world.pick(topics), liveConsumers.count < 3,
            !liveConsumers.contains(where: { $0.place.number == place.number }), !isCommitting(place)
        else { return }
        read(place, from: nil, group: group, starts: (client.groups[place.number] ?? GroupPosition()).candidates)
    }

    private func isCommitting(_ place: Place) -> Bool { commitsUnderWay.contains(place.number) }

    func commitGroup() {
        let readers = liveConsumers.compactMap(\.reader).filter {
            !$0.received.isEmpty && !isCommitting($0.topic.place)
        }
        guard let reader = world.pick(readers), let last = reader.received.last else { return }
        let place = reader.topic.place
        var position = client.groups[place.number] ?? GroupPosition()
        let next = last.offset + 1
        guard next > position.most else { return }
        position.unanswered.append(next)
        client.groups[place.number] = position
        commitsUnderWay.append(place.number)
        ask("commit \(place.name) \(next)", .commit(topic: place.name, group: group, offset: next)) {
            [unowned self] outcome, _ in
            commitsUnderWay.removeAll { $0 == place.number }
            switch outcome {
            case .ok: client.groups[place.number] = GroupPosition(answered: next)
            case .refused(let code): refuse("commit", code)
            }
        }
    }

    // MARK: The end

    func drainTopic(_ place: Place) {
        read(place, from: "first", group: nil, starts: [0])
    }
}
