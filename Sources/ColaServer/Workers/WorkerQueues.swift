internal import ColaCore
internal import ColaWorkers

/// Makes the queues of workers as soon as the workers are defined, though none of their processes may run yet: what is
/// published for them has a place.
///
/// It is a channel of the broker, in one virtual host, for as long as that takes. What is there stays as it is.
final class WorkerQueues: SocketlessConnection {
    let id: ChannelID
    var isFlushPending = false
    private unowned let host: WorkerHost
    private let virtualHost: String
    /// Those that are not there, and whose they are. A request's number is the place in this.
    private let missing: [(queue: String, worker: WorkerName)]
    private var unanswered: Int

    /// - Parameter workers: in the order of their definition; a queue that several have is the first one's.
    static func provide(for workers: [WorkerDefinition], of broker: any ConnectionBroker, host: WorkerHost) {
        var missing: [String: [(queue: String, worker: WorkerName)]] = [:]
        for worker in workers {
            for name in worker.ownQueues where !broker.hasPlace(name, in: worker.virtualHost) {
                guard missing[worker.virtualHost]?.contains(where: { $0.queue == name }) != true else { continue }
                missing[worker.virtualHost, default: []].append((name, worker.name))
            }
        }
        for (virtualHost, queues) in missing.sorted(by: { $0.key < $1.key }) {
            WorkerQueues(queues, in: virtualHost, host: host).declare()
        }
    }

    private init(_ missing: [(queue: String, worker: WorkerName)], in virtualHost: String, host: WorkerHost) {
        id = host.broker.takeChannelID()
        self.missing = missing
        unanswered = missing.count
        self.virtualHost = virtualHost
        self.host = host
    }

    private func declare() {
        host.queues[id] = self
        host.broker.add(self)
        var info = ChannelInfo(
            protocolName: "worker", host: virtualHost, peer: "worker", user: "", client: "queues of workers",
            since: host.now.wall)
        info.authority = .messages
        var commands = [Command.attach(id, info)]
        for (number, one) in missing.enumerated() {
            commands.append(
                .request(id, RequestID(UInt64(number)), .declareQueue(QueueDeclaration(name: one.queue))))
        }
        host.broker.submit(commands, from: self, at: host.now)
    }

    func handle(_ effect: Effect) {
        guard case .reply(_, let question, let reply) = effect else { return }
        if case .refused(let error) = reply {
            host.report("\(missing[Int(clamping: question.rawValue)].worker)", error.description)
        }
        unanswered -= 1
        guard unanswered == 0 else { return }
        host.broker.remove(self)
        host.queues[id] = nil
    }

    /// It is sent answers alone.
    func reportWhenWritable() {}
}
