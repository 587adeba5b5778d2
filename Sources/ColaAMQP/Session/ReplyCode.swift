/// Why a channel or a connection ends. Source: AMQP 0-9-1, section 1.1, "Constants"
package enum ReplyCode: UInt16, Sendable {
    case contentTooLarge = 311
    case noRoute = 312
    case noConsumers = 313
    case connectionForced = 320
    case accessRefused = 403
    case notFound = 404
    case resourceLocked = 405
    case preconditionFailed = 406
    case frameError = 501
    case syntaxError = 502
    case commandInvalid = 503
    case channelError = 504
    case unexpectedFrame = 505
    case resourceError = 506
    case notAllowed = 530
    case notImplemented = 540
    case internalError = 541

    /// As reply texts begin.
    package var name: String {
        switch self {
        case .contentTooLarge: "CONTENT_TOO_LARGE"
        case .noRoute: "NO_ROUTE"
        case .noConsumers: "NO_CONSUMERS"
        case .connectionForced: "CONNECTION_FORCED"
        case .accessRefused: "ACCESS_REFUSED"
        case .notFound: "NOT_FOUND"
        case .resourceLocked: "RESOURCE_LOCKED"
        case .preconditionFailed: "PRECONDITION_FAILED"
        case .frameError: "FRAME_ERROR"
        case .syntaxError: "SYNTAX_ERROR"
        case .commandInvalid: "COMMAND_INVALID"
        case .channelError: "CHANNEL_ERROR"
        case .unexpectedFrame: "UNEXPECTED_FRAME"
        case .resourceError: "RESOURCE_ERROR"
        case .notAllowed: "NOT_ALLOWED"
        case .notImplemented: "NOT_IMPLEMENTED"
        case .internalError: "INTERNAL_ERROR"
        }
    }

    /// Whether the whole connection ends, not only the channel.
    package var endsConnection: Bool {
        switch self {
        case .connectionForced, .frameError, .syntaxError, .commandInvalid, .channelError, .unexpectedFrame,
            .resourceError, .notAllowed, .notImplemented, .internalError:
            true
        case .contentTooLarge, .noRoute, .noConsumers, .accessRefused, .notFound, .resourceLocked,
            .preconditionFailed:
            false
        }
    }
}

/// What a client did wrong, as it is told.
package struct ProtocolError: Error, Equatable, Sendable {
    package var code: ReplyCode
    /// Without the name of the code.
    package var sentence: String
    /// The method that failed; nil where it was none.
    package var method: MethodID?

    package init(_ code: ReplyCode, _ sentence: String, in method: MethodID? = nil) {
        self.code = code
        self.sentence = sentence
        self.method = method
    }

    init(_ refusal: Refusal, in method: MethodID) {
        self.init(ReplyCode(rawValue: refusal.code) ?? .preconditionFailed, refusal.text, in: method)
    }

    /// As RabbitMQ writes it: clients look at what stands before the dash.
    var text: String { "\(code.name) - \(sentence)" }
}
