internal import ColaCore

// How the broker's refusals are said in Kafka's numbers: switches without a default, so that a new case does not
// compile before somebody has decided.
extension TopicRefusal {
    var code: ErrorCode {
        switch self {
        case .broker(let error): error.code
        case .batch(let error):
            switch error.code {
            case .corruptMessage: .corruptMessage
            case .invalidTimestamp: .invalidTimestamp
            case .unsupportedCompressionType: .unsupportedCompressionType
            case .invalidRecord: .invalidRecord
            }
        case .producer(let refusal):
            switch refusal {
            case .duplicateSequenceNumber: .duplicateSequenceNumber
            case .invalidProducerEpoch: .invalidProducerEpoch
            case .invalidRecord: .invalidRecord
            case .invalidTransactionState: .invalidTxnState
            case .outOfOrderSequenceNumber: .outOfOrderSequenceNumber
            }
        case .tooLarge: .messageTooLarge
        case .group(let error): error.code
        case .outOfRange: .offsetOutOfRange
        case .exists: .topicAlreadyExists
        case .transaction(let error): error.code
        case .notAttempted: .operationNotAttempted
        }
    }

    var sentence: String {
        switch self {
        case .broker(let error): error.description
        case .batch(let error): error.description
        case .producer(let refusal): refusal.rawValue
        case .tooLarge(let bytes, let limit): "\(bytes) bytes are more than the \(limit) that are taken"
        case .group(let error): error.rawValue
        case .outOfRange: "there is no such offset"
        case .exists(let sentence): sentence
        case .transaction(let error): error.rawValue
        case .notAttempted: "another part of the request was refused"
        }
    }
}

extension BrokerError {
    var code: ErrorCode {
        switch self {
        case .notFound(.topic, _), .notFound(.queueOrTopic, _), .notFound(.queue, _), .deleted: .unknownTopicOrPartition
        case .notFound(.group, _): .groupIDNotFound
        case .notFound: .unknownServerError
        case .badName, .reservedName: .invalidTopicException
        case .mismatch, .inequivalent, .unsupported: .invalidTopicException
        case .permanent, .forbidden, .locked, .inUse: .policyViolation
        case .accessRefused(let refusal):
            switch refusal.need {
            case .permission, .topic: .topicAuthorizationFailed
            case .host, .tag: .clusterAuthorizationFailed
            }
        case .badArgument: .invalidConfig
        case .limit(what: "partitions in a topic", _, _): .invalidPartitions
        case .limit, .quota: .policyViolation
        case .transactionTooLarge: .recordListTooLarge
        case .offsetOutOfRange: .offsetOutOfRange
        case .storage, .damaged, .backup: .kafkaStorageError
        case .overloaded, .busy, .queueFull: .requestTimedOut
        case .unroutable, .consumerInUse, .consumerNotFound, .unknownDelivery, .heldTooLong, .stopped, .worker:
            .unknownServerError
        }
    }
}

extension TransactionError {
    var code: ErrorCode {
        switch self {
        case .concurrentTransactions: .concurrentTransactions
        case .invalidProducerIDMapping: .invalidProducerIDMapping
        case .invalidRequest: .invalidRequest
        case .invalidTransactionTimeout: .invalidTransactionTimeout
        case .invalidTransactionState: .invalidTxnState
        case .producerFenced: .producerFenced
        case .transactionalIDNotFound: .transactionalIDNotFound
        case .tooManyTransactionalIDs: .policyViolation
        }
    }
}

extension GroupError {
    var code: ErrorCode {
        switch self {
        case .coordinatorNotAvailable: .coordinatorNotAvailable
        case .fencedInstanceID: .fencedInstanceID
        case .groupIDNotFound: .groupIDNotFound
        case .groupMaxSizeReached: .groupMaxSizeReached
        case .illegalGeneration: .illegalGeneration
        case .inconsistentGroupProtocol: .inconsistentGroupProtocol
        case .invalidRequest: .invalidRequest
        case .invalidSessionTimeout: .invalidSessionTimeout
        case .memberIDRequired: .memberIDRequired
        case .nonEmptyGroup: .nonEmptyGroup
        case .rebalanceInProgress: .rebalanceInProgress
        case .unknownMemberID: .unknownMemberID
        }
    }
}
