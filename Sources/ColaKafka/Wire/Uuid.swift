/// An id that Kafka gives topics and directories: 128 bits, of which all zero stand for none.
///
/// Source: Kafka protocol guide, "Protocol Primitive Types" (UUID); RFC 4122 for its order of bytes
package struct Uuid: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static let zero = Uuid(high: 0, low: 0)
}
