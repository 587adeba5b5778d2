import ColaAMQP
import NIOCore

extension ByteBuffer {
    /// `writeRawDeliver` of arrays.
    mutating func writeDeliver(
        channel: UInt16, consumerTag: [UInt8], deliveryTag: UInt64, redelivered: Bool, exchange: [UInt8],
        routingKey: [UInt8], properties: [UInt8], body: [UInt8], frameMax: Int
    ) {
        consumerTag.withUnsafeBytes { consumerTag in
            exchange.withUnsafeBytes { exchange in
                routingKey.withUnsafeBytes { routingKey in
                    properties.withUnsafeBytes { properties in
                        body.withUnsafeBytes { body in
                            writeRawDeliver(
                                channel: channel, consumerTag: consumerTag, deliveryTag: deliveryTag,
                                redelivered: redelivered, exchange: exchange, routingKey: routingKey,
                                properties: properties, body: body, frameMax: frameMax)
                        }
                    }
                }
            }
        }
    }
}
