/// What members of classic groups ask of their coordinator, and those who look at groups.
///
/// Source: Kafka protocol guide, "Group Membership"
package enum GroupRequest: Sendable {
    /// `newMemberID` is the broker's to choose.
    case join(group: String, GroupCoordinator.Join)
    case sync(group: String, GroupCoordinator.Sync)
    case heartbeat(group: String, GroupCoordinator.Identity)
    case leave(group: String, [GroupCoordinator.Leaving])
    case describe([String])
    case list
    case delete([String])
}

package enum GroupReply: Sendable {
    case join(GroupCoordinator.JoinAnswer)
    case sync(GroupCoordinator.SyncAnswer)
    /// Nil: all is well.
    case heartbeat(GroupError?)
    case left(Result<[GroupCoordinator.Left], GroupError>)
    /// Nil: there is no such group.
    case described([GroupCoordinator.Description?])
    case listed([ListedGroup])
    /// In the order of the request; nil: it is gone.
    case deleted([GroupError?])
}

package struct ListedGroup: Equatable, Sendable {
    package var name: String
    package var protocolType: String
    package var state: GroupCoordinator.State

    package init(name: String, protocolType: String, state: GroupCoordinator.State) {
        self.name = name
        self.protocolType = protocolType
        self.state = state
    }
}
