internal import NIOCore

/// What a message says of itself beside its key and headers: when it goes, how it is known again, who waits for an
/// answer.
///
/// Source: `protocol/native.md` section 3.3
package struct PublishProperties: Equatable, Sendable {
    /// In a queue with priorities, the higher goes first.
    package var priority: UInt8?
    /// Milliseconds.
    package var timeToLive: Int64?
    /// Milliseconds.
    package var delay: Int64?
    package var id: String?
    package var replyTo: String?
    package var correlationID: String?
    package var partition: Int?
    /// Whether there is no value, which is not the same as an empty one.
    package var isNull = false
    /// Flags and list of the properties that consumers with AMQP see.
    package var amqp: [UInt8]?

    package init() {}

    /// Appends the options, each with the space before it.
    func write(to buffer: inout ByteBuffer) {
        if let priority { number(" prio=", Int64(priority), to: &buffer) }
        if let timeToLive { number(" ttl=", timeToLive, to: &buffer) }
        if let delay { number(" delay=", delay, to: &buffer) }
        text(" id=", id, to: &buffer)
        text(" reply=", replyTo, to: &buffer)
        text(" corr=", correlationID, to: &buffer)
        if let partition { number(" partition=", Int64(partition), to: &buffer) }
        if isNull { buffer.writeStaticString(" null=yes") }
        if let amqp {
            buffer.writeStaticString(" amqp=")
            Escape.write(amqp[...], to: &buffer, as: .optionValue)
        }
    }

    private func number(_ name: StaticString, _ value: Int64, to buffer: inout ByteBuffer) {
        buffer.writeStaticString(name)
        Decimal.write(value, to: &buffer)
    }

    private func text(_ name: StaticString, _ value: String?, to buffer: inout ByteBuffer) {
        guard let value else { return }
        buffer.writeStaticString(name)
        Escape.write(value, to: &buffer, as: .optionValue)
    }
}
