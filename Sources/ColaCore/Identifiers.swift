/// A raw value with a meaning, so that two values of the same shape cannot be swapped by accident.
package protocol Identifier: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible
where RawValue: Hashable & Comparable & Sendable {
    init(rawValue: RawValue)
}

extension Identifier {
    @inlinable package init(_ rawValue: RawValue) { self.init(rawValue: rawValue) }
    @inlinable package static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    package var description: String { "\(rawValue)" }
}

/// A position in one log. Starts at 0, only grows, is never reused; not dense: a missing offset was settled or
/// compacted.
///
/// At most `Int64.max`, because SQLite and Kafka store it signed.
package struct Offset: Identifier {
    package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }

    /// The position right after this one.
    @inlinable package var next: Offset { Offset(rawValue: rawValue + 1) }

    /// How far `other` lies below this position.
    @inlinable package func distance(from other: Offset) -> Int { Int(rawValue - other.rawValue) }

    @inlinable package func advanced(by count: Int) -> Offset { Offset(rawValue: rawValue + Int64(count)) }
}

/// One log of the store. Given out once, in growing order, and never again, not even after the log was deleted.
package struct LogID: Identifier {
    package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// One start of the broker on a data directory, counted from 1. Ids that live in memory are unique within an epoch.
package struct Epoch: Identifier {
    package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// One batch given to the store, counted from 1 in each epoch. Batches complete in this order.
package struct BatchNumber: Identifier {
    package var rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable package var next: BatchNumber { BatchNumber(rawValue: rawValue + 1) }
}

/// One stream of requests that is answered in order: a native connection, or one channel of an AMQP connection.
///
/// Unique for the life of the process, so a late command of a closed channel can never be taken for a new one's.
///
/// Shape:  `incarnation 8 | number 16 | connection 40` bits. The channel with number 0 stands for the connection
///         itself, and its id is the connection's number.
package struct ChannelID: Identifier {
    package var rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }

    private static let connectionBits: UInt64 = 40

    /// A channel of a connection.
    ///
    /// - Parameters:
    ///   - number: as its protocol counts channels; from 1 on.
    ///   - incarnation: how many channels of that number the connection had before.
    package init(of connection: ChannelID, number: UInt16, incarnation: UInt8) {
        self.init(
            UInt64(incarnation) << (Self.connectionBits + 16) | UInt64(number) << Self.connectionBits
                | connection.connection.rawValue)
    }

    /// The channel that stands for the connection that this one is of.
    package var connection: ChannelID { ChannelID(rawValue & (1 << Self.connectionBits - 1)) }

    /// 0 for the connection itself.
    package var number: UInt16 { UInt16(truncatingIfNeeded: rawValue >> Self.connectionBits) }

    package var isConnection: Bool { rawValue >> Self.connectionBits == 0 }
}

/// What a channel calls one of its consumers. Chosen by the channel's session; unique within the channel.
package struct ConsumerTag: Identifier {
    package var rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// The number of a delivery on its channel, counted from 1 without gaps; what an acknowledgement names.
package struct DeliveryTag: Identifier {
    package var rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable package var next: DeliveryTag { DeliveryTag(rawValue: rawValue + 1) }
}

/// What a session calls a request, so that the answer finds it. The core only hands it back.
package struct RequestID: Identifier {
    package var rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
}
