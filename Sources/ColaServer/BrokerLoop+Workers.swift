internal import ColaCore
internal import ColaNative

/// Whoever runs the workers, as far as the connections of their processes concern him. All calls are made on the loop.
protocol WorkerConnections: WorkerAdmission {
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
