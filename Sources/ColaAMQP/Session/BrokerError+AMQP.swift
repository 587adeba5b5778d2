package import ColaCore

extension AMQPSession {
    /// How AMQP says it. What stands before the dash of the text, and the beginning of what comes behind it, is as in
    /// RabbitMQ, as clients look at it.
    static func error(_ error: BrokerError, _ method: MethodID, _ host: String) -> ProtocolError {
        let (code, sentence) = reply(error, method, host)
        return ProtocolError(code, sentence, in: method)
    }

    /// The code that a refusal has on a channel, where the method does not matter.
    package static func replyCode(of error: BrokerError) -> ReplyCode { reply(error, .queueDeclare, "/").0 }

    private static func reply(_ error: BrokerError, _ method: MethodID, _ host: String) -> (ReplyCode, String) {
        switch error {
        case .notFound(.queue, let name), .notFound(.queueOrTopic, let name), .notFound(.topic, let name):
            (.notFound, "no queue '\(name)' in vhost '\(host)'")
        case .notFound(.exchange, let name): (.notFound, "no exchange '\(name)' in vhost '\(host)'")
        case .notFound, .consumerNotFound: (.notFound, error.description)
        case .locked(_, let name):
            (
                .resourceLocked,
                "cannot obtain exclusive access to locked queue '\(name)' in vhost '\(host)': it belongs to another "
                    + "connection, or is not exclusive"
            )
        case .inUse where method == .basicConsume: (.accessRefused, "\(error) in vhost '\(host)': in exclusive use")
        case .inUse where method == .basicGet: (.resourceLocked, "\(error), in vhost '\(host)'")
        case .inequivalent(let inequivalence):
            (ReplyCode(rawValue: inequivalence.refusal.code) ?? .preconditionFailed, inequivalence.refusal.text)
        case .unknownDelivery(_, let last): (.preconditionFailed, "unknown delivery tag \(last)")
        case .reservedName, .permanent, .forbidden: (.accessRefused, error.description)
        case .consumerInUse: (.notAllowed, error.description)
        case .accessRefused(let refusal) where refusal.need == .host: (.notAllowed, error.description)
        case .accessRefused: (.accessRefused, error.description)
        case .quota where method == .queueDeclare: (.preconditionFailed, error.description)
        case .quota: (.notAllowed, error.description)
        case .unsupported: (.notImplemented, error.description)
        case .busy: (.internalError, error.description)
        case .storage, .damaged, .backup, .worker: (.internalError, error.description)
        case .mismatch, .badName, .heldTooLong, .badArgument, .inUse, .unroutable, .queueFull, .limit, .deleted,
            .stopped,
            .offsetOutOfRange, .transactionTooLarge, .overloaded:
            (.preconditionFailed, error.description)
        }
    }
}
