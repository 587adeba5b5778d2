internal import ColaCore
internal import ColaNative
internal import ColaWorkers
internal import NIOCore

/// Writes messages for a worker of mode `stream`, in its format.
struct StreamWriter {
    private var json: JSONDelivery?
    private var native = DeliveryWriter()
    private var scratch: [UInt8] = []

    init(_ format: WorkerDefinition.Format, queue: String) {
        json = format == .json ? JSONDelivery(queue: queue) : nil
    }

    mutating func write(_ delivery: Delivery, into output: inout ByteBuffer) {
        guard json != nil else { return native.write(delivery, to: ConsumerTag(1), into: &output) }
        json?.append(delivery, to: &scratch)
        output.writeBytes(scratch)
        scratch.removeAll(keepingCapacity: scratch.count < 65_536)
    }
}
