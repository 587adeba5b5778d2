/// Who is behind a channel, for people who look.
package struct ChannelInfo: Equatable, Sendable {
    package var protocolName: String
    /// The virtual host it works in; it does not change once it has asked for something.
    package var host: String
    package var peer: String
    package var user: String
    /// What the client calls itself.
    package private(set) var client: String
    package var processID: Int?
    package var userID: Int?
    /// Whose process it is of, if that has shown its token.
    package var worker: WorkerRequest.Target?
    /// By what it may do what it does.
    package var authority = Authority.user
    /// As the channels of AMQP are: the first refusal is the last thing that it does, see
    /// ``BrokerError/endsStrictChannel``, and every delivery has a number, also what needs no acknowledgement.
    package var isStrict = false

    /// Who had a message, as that remembers it.
    var author: String { worker?.worker ?? (client.isEmpty ? user : client) }
    package var since: Timestamp

    /// As long as other names may be. What is longer than this would stand in every listing and every failed attempt.
    private static let clientMax = 255

    package init(
        protocolName: String, host: String = VirtualHostDefinition.defaultName, peer: String, user: String,
        client: String = "", processID: Int? = nil,
        userID: Int? = nil, since: Timestamp = Timestamp(0)
    ) {
        self.protocolName = protocolName
        self.host = host
        self.peer = peer
        self.user = user
        self.client = String(client.unicodeScalars.prefix(Self.clientMax))
        self.processID = processID
        self.userID = userID
        self.since = since
    }
}
