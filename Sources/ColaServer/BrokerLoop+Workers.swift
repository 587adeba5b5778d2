internal import ColaCore
internal import ColaNative

/// Whoever runs the workers, as far as the connections of their processes concern him. All calls are made on the loop.
protocol WorkerConnections: WorkerAdmission {
    /// A connection shows a token as the password of the user of a worker, which is good as long as the process lives.
    ///
    /// - Returns: whose connection it is from here on; nil: nobody's.
    func admit(_ credentials: Credentials, _ channel: ChannelID) -> WorkerRequest.Target?
    /// It sends nothing more. What it held stays held until ``WorkerBroker/tell(_:)`` says what becomes of it.
    func ended(connection: ChannelID, isLost: Bool)
    /// With these something happened in this turn: they may have got messages, or settled some.
    func stirred(_ ids: [ChannelID])
    /// Whether the process of this connection is paused, and can say nothing.
    func isHalted(_ id: ChannelID) -> Bool
}

extension BrokerLoop: WorkerAdmission {
    func admit(token: String, _ channel: ChannelID, from peer: Peer) -> WorkerRequest.Target? {
        workerConnections?.admit(token: token, channel, from: peer)
    }

    func isHalted(_ id: ChannelID) -> Bool { workerConnections?.isHalted(id) ?? false }
}

// Connections of workers, and requests about workers.
extension BrokerLoop {
    func isOfWorker(_ id: ChannelID) {
        ofWorkers[id] = false
        connections[id]?.keepLastWords()
    }

    func tell(_ command: Command) {
        guard !isStopping else { return }
        broker.apply(command, at: now, into: &effects)
        finishTurnLater()
    }

    func dismiss(_ id: ChannelID, because sentence: String) { connections[id]?.dismiss(because: sentence) }

    func work(of id: ChannelID) -> ChannelWork? { broker.work(of: id) }

    func ask(_ workers: WorkerRequest, _ request: RequestID, of id: ChannelID) {
        guard let workerDesk else {
            let answer: Result<WorkerAnswer, BrokerError> =
                switch workers {
                case .list: .success(.rows([]))
                case .processes: .success(.rows([WorkerRows.broker()]))
                default: .failure(.worker(.undefined))
                }
            return answered(answer, request, of: id)
        }
        workerDesk.answer(workers, at: now.monotonic) { [self] result in
            if case (.processes, .success(.rows(let rows))) = (workers, result) {
                answered(.success(.rows([WorkerRows.broker()] + rows)), request, of: id)
            } else {
                answered(result, request, of: id)
            }
        }
    }

    private func answered(_ result: Result<WorkerAnswer, BrokerError>, _ request: RequestID, of id: ChannelID) {
        guard !isStopping else { return }
        broker.apply(.workersAnswered(id, request, result), at: now, into: &effects)
        finishTurnLater()
    }
}
