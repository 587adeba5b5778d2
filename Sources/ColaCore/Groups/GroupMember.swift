/// One member of a group whose members share out its partitions by themselves.
struct GroupMember: Equatable, Sendable {
    /// Of a static member, what it calls itself in every life (KIP-345).
    let instanceID: String?
    var clientID: String
    var clientHost: String
    /// Milliseconds.
    var sessionTimeout: Int64
    /// Milliseconds.
    var rebalanceTimeout: Int64
    /// By preference, each name once.
    var protocols: [GroupProtocol]
    /// What the leader gave it in this generation; empty before that.
    var assignment: [UInt8] = []

    /// Until its first join is answered: its client may not know its id yet, so it sends no heartbeats.
    var isNew = true
    var joinWaiter: GroupWaiter?
    var syncWaiter: GroupWaiter?

    var isStatic: Bool { instanceID != nil }
    var isWaiting: Bool { joinWaiter != nil || syncWaiter != nil }

    /// What it says of itself in the protocol `name`; nothing if it does not support that.
    func metadata(of name: String?) -> [UInt8] {
        protocols.first { $0.name == name }?.metadata ?? []
    }
}
