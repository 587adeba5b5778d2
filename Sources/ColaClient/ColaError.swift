/// What a server refused, or why it could not be asked.
///
/// `code` is open: a newer server may have codes this library has no name for. `isRetryable` says whether the same
/// request, unchanged, can succeed later.
public struct ColaError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A stable name of a kind of error. The server's are those of the native protocol, section 7.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// As the protocol writes it: small letters and `_`.
        public var rawValue: String
        /// A code that this library may have no name for.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// The raw value.
        public var description: String { rawValue }

        /// The request is not of the protocol, or the client does not send it for that reason.
        public static let syntax = Code(rawValue: "syntax")
        /// The server is older than what was asked for.
        public static let unknownCommand = Code(rawValue: "unknown_command")
        /// Names, key and headers together are longer than a line may be. The connection is closed.
        public static let lineTooLong = Code(rawValue: "line_too_long")
        /// A body had another length than was said. The connection is closed.
        public static let bodyEnd = Code(rawValue: "body_end")
        /// A body over the limit of the server (`body-max`); said by the client before it is sent.
        public static let tooLarge = Code(rawValue: "too_large")
        /// The server does not speak this version of the protocol.
        public static let unsupportedVersion = Code(rawValue: "unsupported_version")
        /// The server lacks a feature of ``ClientOptions/need``.
        public static let unsupportedFeature = Code(rawValue: "unsupported_feature")
        /// A wrong name or password, or none.
        public static let unauthenticated = Code(rawValue: "unauthenticated")
        /// The name is reserved, or the user may not.
        public static let accessRefused = Code(rawValue: "access_refused")
        /// There is no such queue, topic, exchange, binding, consumer, group, policy or virtual host.
        public static let notFound = Code(rawValue: "not_found")
        /// It exists, but differently; or the request does not fit what it names.
        public static let mismatch = Code(rawValue: "mismatch")
        /// The message leads nowhere.
        public static let unroutable = Code(rawValue: "unroutable")
        /// Somebody else consumes it or is bound to it, where that rules the request out.
        public static let inUse = Code(rawValue: "in_use")
        /// Another connection has the queue for itself alone.
        public static let locked = Code(rawValue: "locked")
        /// A queue that refuses what is over its limit holds as much as it may.
        public static let full = Code(rawValue: "full")
        /// So much waits for the disk that the message was not taken.
        public static let overloaded = Code(rawValue: "overloaded")
        /// The server could not read from its disk.
        public static let storage = Code(rawValue: "storage")
        /// The delivery is held by this connection no longer, or has nothing to acknowledge. After a lost connection
        /// also what the client itself says of deliveries that it had brought.
        public static let unknownDelivery = Code(rawValue: "unknown_delivery")
        /// A limit of the protocol or of the server is reached.
        public static let limit = Code(rawValue: "limit")
        /// A consumer's queue or topic was deleted.
        public static let cancelled = Code(rawValue: "cancelled")
        /// The server has too many connections.
        public static let busy = Code(rawValue: "busy")
        /// The server's configuration cannot be taken on as it is.
        public static let configuration = Code(rawValue: "configuration")
        /// The server saw no sign of life in time; or, said by the client, it has not answered in time.
        public static let timeout = Code(rawValue: "timeout")
        /// The server is stopping.
        public static let shuttingDown = Code(rawValue: "shutting_down")
        /// A stored message failed its check and was put aside.
        public static let damaged = Code(rawValue: "damaged")

        /// No server answers at the address.
        public static let unreachable = Code(rawValue: "unreachable")
        /// The connection ended while something was in flight, or before it was asked for. ``ColaError/inFlight`` and
        /// ``ColaError/confirmed`` say what is known of it.
        public static let connectionLost = Code(rawValue: "connection_lost")
        /// What came is not the native protocol: something else listens there, or one of the two ends has a bug.
        public static let protocolViolation = Code(rawValue: "protocol_violation")
        /// The client was closed by this program.
        public static let closed = Code(rawValue: "closed")
    }

    /// What kind of error it is.
    public var code: Code
    /// One line for people: what happened, to which thing, and what to do next.
    public var message: String
    /// Whether the same request can succeed later.
    public var isRetryable: Bool
    /// With ``Code/connectionLost``: requests that were sent and not answered. What became of them is not known.
    public var inFlight: Int
    /// Thrown by a ``Publisher``: how many of its messages are certainly on the server's disk. `inFlight` is then how
    /// many of its own are on their way without an answer.
    public var confirmed: Int

    /// An error with these parts.
    public init(code: Code, message: String, isRetryable: Bool, inFlight: Int = 0, confirmed: Int = 0) {
        self.confirmed = confirmed
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
        self.inFlight = inFlight
    }

    /// The message.
    public var description: String { message }
}
