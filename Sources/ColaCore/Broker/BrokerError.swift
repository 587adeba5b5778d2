/// Why the broker said no. One case per thing a caller can do something about.
///
/// The core knows nothing of AMQP reply codes or Kafka error numbers: each protocol maps these cases in one file of its
/// own with an exhaustive switch, so that a new case does not compile until every protocol has decided how to say it.
package enum BrokerError: Error, Equatable, Sendable {
    case notFound(Kind, name: String)
    case mismatch(String)
    /// What is declared is there, and is not the same.
    case inequivalent(Inequivalence)
    case reservedName(String)
    /// It is always there.
    case permanent(String)
    /// Nobody may do that to it.
    case forbidden(String)
    /// No thing of this kind can do that.
    case unsupported(String)
    case badName(String, reason: String)
    case unroutable(exchange: String, routingKey: String)
    case consumerInUse(ConsumerTag)
    case consumerNotFound(ConsumerTag)
    case unknownDelivery(first: DeliveryTag, last: DeliveryTag)
    /// A queue, or one of its consumers, that another connection has for itself alone.
    case locked(Kind, name: String)
    /// Somebody uses it, or it is not empty.
    case inUse(String)
    case queueFull(name: String, limit: Int, unit: String)
    case badArgument(String)
    case limit(what: String, limit: Int, setting: String)
    case deleted(Kind, name: String)
    /// A delivery was held for longer than its queue or its consumer allows. Milliseconds.
    case heldTooLong(DeliveryTag, name: String, milliseconds: Int64)
    /// A consumer gets nothing any more; the sentence says why.
    case stopped(String)
    case offsetOutOfRange(topic: String, offset: Offset, next: Offset)
    case transactionTooLarge(bytes: Int, limit: Int)
    case overloaded(waiting: Int)
    case storage(String)
    case damaged(name: String, base: Offset)
    case backup(BackupFailure)
    case worker(WorkerFailure)
    case accessRefused(AccessRefusal)
    /// There are as many of something as a virtual host or user may have.
    case quota(String)
    /// Too much is being done of what was asked for.
    case busy(String)

    package enum Kind: String, Sendable {
        case queue
        case topic
        case queueOrTopic = "queue or topic"
        case exchange
        case virtualHost = "virtual host"
        case policy
        case group
        case user
        case permission
    }
}

extension BrokerError {
    /// The stable name in the native protocol, `--json` output and metrics. Never changes.
    package var code: String {
        switch self {
        case .notFound, .consumerNotFound: "not_found"
        case .mismatch, .inequivalent, .offsetOutOfRange, .unsupported: "mismatch"
        case .reservedName, .permanent, .forbidden: "access_refused"
        case .badName, .badArgument: "syntax"
        case .unroutable: "unroutable"
        case .consumerInUse, .inUse: "in_use"
        case .locked: "locked"
        case .queueFull: "full"
        case .unknownDelivery: "unknown_delivery"
        case .limit, .transactionTooLarge: "limit"
        case .overloaded: "overloaded"
        case .deleted, .stopped, .heldTooLong: "cancelled"
        case .storage: "storage"
        case .damaged: "damaged"
        case .backup(let failure): failure.code
        case .worker(let failure): failure.code
        case .accessRefused: "access_refused"
        case .quota: "limit"
        case .busy: "busy"
        }
    }

    /// Whether sending the same request again, unchanged, can succeed.
    package var isRetryable: Bool {
        switch self {
        case .storage, .overloaded, .queueFull, .busy: true
        case .notFound, .consumerNotFound, .mismatch, .inequivalent, .offsetOutOfRange, .reservedName, .badName,
            .unroutable, .consumerInUse, .inUse, .locked, .badArgument, .permanent, .forbidden, .unknownDelivery,
            .limit, .transactionTooLarge, .deleted, .stopped, .heldTooLong, .damaged, .accessRefused, .quota,
            .unsupported:
            false
        case .backup(let failure): failure.isRetryable
        case .worker(let failure): failure.isRetryable
        }
    }
}

extension BrokerError {
    /// Whether a channel of AMQP ends with it: all but what befalls single messages that it publishes.
    package var endsStrictChannel: Bool {
        switch self {
        case .queueFull, .overloaded, .transactionTooLarge, .unroutable: false
        default: true
        }
    }
}

extension BrokerError: CustomStringConvertible {
    /// One line: what happened, to what, and what to do about it.
    package var description: String {
        switch self {
        case .notFound(.queueOrTopic, let name):
            "no queue or topic is named '\(name)'; make it with `cola declare queue \(name)`"
        case .notFound(.group, let name):
            "no group '\(name)' has committed an offset or reads there; `cola groups` has those that do"
        case .notFound(.virtualHost, let name):
            "no virtual host is named '\(name)'; make it with `cola declare vhost \(name)`"
        case .notFound(.user, let name): "no user is named '\(name)'; `cola users` has them all"
        case .notFound(.permission, let name):
            "user '\(name)' has no such permissions there; `cola permissions` has them all"
        case .notFound(.policy, let name): "no policy is named '\(name)'; `cola policies` has them all"
        case .notFound(let kind, let name):
            "no \(kind.rawValue) is named '\(name)'; look at the name, or make it with "
                + "`cola declare \(kind.rawValue) \(name)`"
        case .mismatch(let sentence), .stopped(let sentence), .unsupported(let sentence): sentence
        case .inequivalent(let inequivalence): inequivalence.sentence()
        case .reservedName(let name):
            "'\(name)' begins with 'amq.' or 'cola.', which are kept for the broker's own; choose another name"
        case .badName(let name, let reason): "'\(name)' cannot be a name: \(reason)"
        case .unroutable("", let key):
            "no queue or topic is named '\(key)'; make it with `cola declare queue \(key)`"
        case .unroutable(let exchange, let key):
            "exchange '\(exchange)' leads nowhere for routing key '\(key)'; bind a queue to it with "
                + "`cola bind`, or publish with mandatory=no (`cola publish --no-mandatory`)"
        case .consumerInUse(let tag): "this connection already has a consumer \(tag); choose another number"
        case .consumerNotFound(let tag): "this connection has no consumer \(tag)"
        case .unknownDelivery(let first, let last):
            first == last
                ? "delivery \(first) is not held by this connection: it was acknowledged before, or never sent on it"
                : "none of the deliveries \(first) to \(last) is held by this connection"
        case .locked(let kind, let name):
            "\(kind.rawValue) '\(name)' belongs to another connection alone; it is free when that one ends"
        case .inUse(let sentence), .badArgument(let sentence), .permanent(let sentence), .forbidden(let sentence):
            sentence
        case .queueFull(let name, let limit, let unit):
            "queue '\(name)' holds its limit of \(limit) \(unit) and refuses more (overflow=reject-publish); publish "
                + "again when messages have been consumed"
        case .limit(let what, let limit, let setting):
            "there may be at most \(limit) \(what)" + (setting.isEmpty ? "" : " (setting \(setting))")
        case .transactionTooLarge(let bytes, let limit):
            "the message makes \(bytes) bytes in all the queues that it leads to, and one transaction holds at most "
                + "\(limit); send it in parts, or to fewer queues"
        case .overloaded(let waiting):
            "\(waiting) bytes wait for the disk; publish again when answers come in"
        case .heldTooLong(let tag, let name, let milliseconds):
            "delivery \(tag) of '\(name)' was not settled within its consumer-timeout of \(milliseconds) ms, so the "
                + "consumer has ended and what it held is back; acknowledge sooner, or raise the timeout with "
                + "`cola set queue \(name) --consumer-timeout`"
        case .deleted(let kind, let name): "the \(kind.rawValue) '\(name)' was deleted"
        case .offsetOutOfRange(let topic, let offset, let next):
            "offset \(offset) is beyond the end of topic '\(topic)', whose next offset is \(next)"
        case .damaged(let name, let base):
            "stored messages of '\(name)' from offset \(base) on failed their check and were put aside; see "
                + "`cola check`"
        case .backup(let failure): failure.description
        case .worker(let failure): failure.description
        case .accessRefused(let refusal): refusal.description
        case .quota(let sentence), .busy(let sentence): sentence
        case .storage(let reason): "the store could not read: \(reason); try again"
        }
    }
}
