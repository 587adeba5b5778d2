/// What a server refused, or why it could not be asked.
///
/// `code` is open: a newer server may have codes this library has no name for. `isRetryable` says whether the same
/// request, unchanged, can succeed later.
public struct ColaError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A stable name of a kind of error. The server's are those of the native protocol, section 7.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public var rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        public static let syntax = Code(rawValue: "syntax")
        public static let unknownCommand = Code(rawValue: "unknown_command")
        public static let lineTooLong = Code(rawValue: "line_too_long")
        public static let bodyEnd = Code(rawValue: "body_end")
        public static let tooLarge = Code(rawValue: "too_large")
        public static let unsupportedVersion = Code(rawValue: "unsupported_version")
        public static let unsupportedFeature = Code(rawValue: "unsupported_feature")
        public static let unauthenticated = Code(rawValue: "unauthenticated")
        public static let accessRefused = Code(rawValue: "access_refused")
        public static let notFound = Code(rawValue: "not_found")
        public static let mismatch = Code(rawValue: "mismatch")
        public static let unroutable = Code(rawValue: "unroutable")
        public static let inUse = Code(rawValue: "in_use")
        public static let locked = Code(rawValue: "locked")
        public static let full = Code(rawValue: "full")
        public static let overloaded = Code(rawValue: "overloaded")
        public static let storage = Code(rawValue: "storage")
        /// The delivery is held by this connection no longer, or has nothing to acknowledge. After a lost connection
        /// also what the client itself says of deliveries that it had brought.
        public static let unknownDelivery = Code(rawValue: "unknown_delivery")
        public static let limit = Code(rawValue: "limit")
        public static let cancelled = Code(rawValue: "cancelled")
        public static let blocked = Code(rawValue: "blocked")
        public static let busy = Code(rawValue: "busy")
        /// The server saw no sign of life in time; or, said by the client, it has not answered in time.
        public static let timeout = Code(rawValue: "timeout")
        public static let shuttingDown = Code(rawValue: "shutting_down")
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

    public var description: String { message }
}
