// What is asked of the workers goes to whoever runs them, and comes back in its turn.
extension Broker {
    func ask(_ workers: WorkerRequest, _ id: RequestID, for channel: Channel) {
        channel.stall = .workers(id)
        effects.append(.workers(channel.id, id, workers))
    }

    /// Numbers of channels do not come again: an answer for one that has gone is for nobody.
    func workersAnswered(
        _ channelID: ChannelID, _ id: RequestID, _ result: Result<WorkerAnswer, BrokerError>, at now: Now
    ) {
        guard let channel = channels[channelID], case .workers(id)? = channel.stall else { return }
        channel.stall = nil
        switch result {
        case .success(.rows(let rows)):
            respond(channel, id, .rows(rows))
            charge(channel, rows.count * Self.workerRowBytes)
        case .success(.description(let description)): respond(channel, id, .description(description))
        case .success(.token(let token)): respond(channel, id, .token(token))
        case .success(.done): respond(channel, id, .done)
        case .failure(let error): refuse(channel, id, error)
        }
        resume(channel, at: now)
    }

    /// About what the row of a process takes on the wire.
    private static let workerRowBytes = 512
}
