internal import ColaCore
internal import ColaWorkers

// Connections of workers' processes, from the token that they show to their end.
extension WorkerHost: WorkerConnections {
    func admit(token: String, _ channel: ChannelID, from peer: Peer) -> WorkerRequest.Target? {
        guard let instance = tokens.redeem(token), let seat = seats[instance] as? ClientSeat else { return nil }
        var peerProcess: Int32?
        if case .process(let id, _, _) = peer { peerProcess = Int32(clamping: id) }
        guard seat.mayHaveChildren else { return nil }
        seat.admit(channel, peer: peerProcess)
        return own(channel, seat)
    }

    func admit(_ credentials: Credentials, _ channel: ChannelID) -> WorkerRequest.Target? {
        guard let instance = tokens.instance(of: credentials.password), let seat = seats[instance] as? ClientSeat,
            credentials.user == Access.name(ofWorker: "\(seat.definition.name)")
        else { return nil }
        // Also while it is being stopped: what it works on may end with a result, which has a connection of its own.
        seat.admit(channel, peer: nil)
        return own(channel, seat)
    }

    private func own(_ channel: ChannelID, _ seat: ClientSeat) -> WorkerRequest.Target {
        owners[channel] = seat
        connectionBroker?.isOfWorker(channel)
        return WorkerRequest.Target(worker: "\(seat.definition.name)", instance: seat.instance.rawValue)
    }

    func ended(connection: ChannelID, isLost: Bool) {
        owners[connection]?.connectionEnded(connection, isLost: isLost)
    }

    func stirred(_ ids: [ChannelID]) {
        for id in ids { owners[id]?.stirred(id) }
    }

    func isHalted(_ id: ChannelID) -> Bool {
        owners[id].flatMap { supervisor.status(of: $0.instance) }?.isPaused ?? false
    }

    func answer(
        _ request: WorkerRequest.ChildRequest, of channel: ChannelID
    ) -> Result<WorkerAnswer, BrokerError> {
        guard let seat = owners[channel] else {
            let sentence =
                "this connection is of no worker's process; it says so with its token (hello 1 token=TOKEN), which it "
                + "finds on the descriptor COLA_TOKEN_FD"
            return .failure(.worker(.unsuitable(sentence)))
        }
        switch request {
        case .token:
            guard seat.mayHaveChildren else {
                return .failure(.worker(.busy("instance \(seat.instance) of \(seat.definition.name) is being stopped")))
            }
            return .success(.token(tokens.issue(for: seat.instance)))
        case .ended(let process, .code(let code)): seat.childEnded(process, .code(code))
        case .ended(let process, .signal(let name)):
            guard let signal = Signal(name) else {
                return .failure(.badArgument("'\(name)' is no signal; write its name, such as SEGV, or its number"))
            }
            seat.childEnded(process, .signal(signal.number, isCoreDumped: false))
        }
        return .success(.done)
    }
}
