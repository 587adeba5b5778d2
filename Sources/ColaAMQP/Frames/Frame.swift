/// What a connection carries: where a frame stands in the bytes that were scanned.
///
/// Shape:  type (1 byte), channel (2), size of the payload (4), payload, 0xCE
/// Source: AMQP 0-9-1, section 2.3.5
package struct Frame: Hashable, Sendable {
    package enum Kind: UInt8, Sendable {
        case method = 1
        case header = 2
        case body = 3
        case heartbeat = 8
    }

    package let kind: Kind
    package let channel: UInt16
    /// Offsets in the bytes that were scanned.
    package let payload: Range<Int>

    @inlinable package init(kind: Kind, channel: UInt16, payload: Range<Int>) {
        self.kind = kind
        self.channel = channel
        self.payload = payload
    }

    /// The last byte of every frame.
    package static let end: UInt8 = 0xCE
    /// What stands before a payload.
    package static let headerBytes = 7
    /// What a frame has beside its payload.
    package static let overhead = 8
}
