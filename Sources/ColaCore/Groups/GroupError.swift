/// Why a consumer group refuses a request, in Kafka's words: the raw value is the name of the error.
///
/// Source: Kafka protocol guide, "Error Codes"
package enum GroupError: String, Error, CaseIterable, Sendable {
    /// The group was deleted; who asks again finds a new one.
    case coordinatorNotAvailable = "COORDINATOR_NOT_AVAILABLE"
    /// Another member came with the same group instance id and took this one's place.
    case fencedInstanceID = "FENCED_INSTANCE_ID"
    case groupIDNotFound = "GROUP_ID_NOT_FOUND"
    case groupMaxSizeReached = "GROUP_MAX_SIZE_REACHED"
    /// The member speaks of a generation that is over.
    case illegalGeneration = "ILLEGAL_GENERATION"
    /// No protocol that the member supports is supported by all others.
    case inconsistentGroupProtocol = "INCONSISTENT_GROUP_PROTOCOL"
    /// More bytes than a member may bring.
    case invalidRequest = "INVALID_REQUEST"
    case invalidSessionTimeout = "INVALID_SESSION_TIMEOUT"
    /// The member is to join once more, with the id that the answer carries (KIP-394).
    case memberIDRequired = "MEMBER_ID_REQUIRED"
    case nonEmptyGroup = "NON_EMPTY_GROUP"
    /// The member is to join again.
    case rebalanceInProgress = "REBALANCE_IN_PROGRESS"
    /// The member is to join anew, without an id.
    case unknownMemberID = "UNKNOWN_MEMBER_ID"
}
