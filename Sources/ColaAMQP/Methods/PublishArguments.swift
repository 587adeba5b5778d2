/// The arguments of `basic.publish` where they stand, for the method that comes more often than all others: nothing is
/// allocated.
package struct PublishArguments: Hashable, Sendable {
    /// Offsets in the payload that was read.
    package let exchange: Range<Int>
    package let routingKey: Range<Int>
    package let mandatory: Bool
    package let immediate: Bool

    /// Reads the payload of a frame of which ``MethodID/init(_:)`` has said that it is a publish; what it refuses is
    /// what ``Method/decode(_:)`` refuses.
    package static func decode(_ payload: UnsafeRawBufferPointer) throws(MethodError) -> PublishArguments {
        var reader = ByteReader(payload, from: 6)
        do {
            let exchange = try reader.shortRange()
            let routingKey = try reader.shortRange()
            let bits = try reader.integer(UInt8.self)
            if reader.remaining == 0 {
                return PublishArguments(
                    exchange: exchange, routingKey: routingKey, mandatory: bits & 1 != 0, immediate: bits & 2 != 0)
            }
        } catch {
            throw .malformed("the arguments of basic.publish: \(error.reason)")
        }
        throw .malformed("\(reader.remaining) bytes stand behind the arguments of basic.publish")
    }
}
