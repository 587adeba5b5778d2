/// The eight bytes with which a client begins: `AMQP` and a version.
///
/// Source: AMQP 0-9-1, section 2.2.4
package enum ProtocolHeader {
    package enum Scan: Hashable, Sendable {
        /// All that is there fits so far.
        case incomplete
        /// The client speaks 0-9-1; its frames begin ``size`` bytes further on.
        case matches
        /// Another version or another protocol: the answer is ``bytes`` and the end of the connection.
        case other
    }

    package static let size = 8

    /// What a server answers that cannot speak the version it was asked for.
    package static let bytes: [UInt8] = Array("AMQP".utf8) + [0, 0, 9, 1]

    /// How 0-9 is asked for, whose frames are the same; RabbitMQ takes it as well.
    private static let older: [UInt8] = Array("AMQP".utf8) + [1, 1, 0, 9]

    /// Looks at the header that begins at `start`; says ``Scan/other`` at the first byte that does not fit.
    package static func scan(_ bytes: UnsafeRawBufferPointer, from start: Int = 0) -> Scan {
        let given = bytes[start...].prefix(size)
        guard self.bytes.starts(with: given) || older.starts(with: given) else { return .other }
        return given.count < size ? .incomplete : .matches
    }
}
