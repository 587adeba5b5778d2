import Testing

@testable import ColaCore

/// The deliveries a channel holds, and the numbers they go by.
@Suite struct ChannelTests {
    private let channel = Channel(
        id: ChannelID(1), info: ChannelInfo(protocolName: "test", peer: "", user: ""),
        connection: ConnectionState(window: 1), leasesMax: 3)

    private func lease() -> DeliveryTag {
        let queue = Queue(
            definition: QueueDefinition(name: "q", log: LogID(1)), host: VirtualHost(name: "/"), isDurable: true)
        let consume = Consume(name: "q", consumer: ConsumerTag(1), flow: .prefetch(1))
        let consumer = Consumer(consume, source: .queue(queue), channel: channel)
        return channel.lease(Channel.Lease(consumer: consumer, offset: Offset(7), bytes: 1, priority: 0))
    }

    private func end(_ first: UInt64, _ last: UInt64) -> Int {
        channel.endLeases(DeliveryTag(first), DeliveryTag(last)) { _ in }
    }

    @Test func tagsGrowByOneWhateverEnds() {
        #expect(lease() == DeliveryTag(1))
        #expect(lease() == DeliveryTag(2))
        #expect(end(1, 1) == 1)
        #expect(lease() == DeliveryTag(3))
        #expect(end(0, .max) == 2)
        #expect(channel.leaseCount == 0)
        #expect(lease() == DeliveryTag(4))
    }

    @Test func aRangePassesOverItsHoles() {
        for _ in 0..<5 { _ = lease() }
        #expect(end(2, 2) == 1)
        #expect(end(2, 2) == 0)
        #expect(end(4, 4) == 1)
        #expect(end(1, 4) == 2)
        #expect(end(6, .max) == 0)
        #expect(end(5, 3) == 0)
        #expect(end(0, 0) == 0)
        #expect(end(.max, .max) == 0)
        #expect(end(5, .max) == 1)
    }

    @Test func itIsFullWhenItHoldsAsManyAsItMay() {
        for _ in 0..<3 { _ = lease() }
        #expect(channel.isFull)
        #expect(end(2, 2) == 1)
        #expect(!channel.isFull)
    }

    /// One message is held for ever while many pass: tags still find what they name.
    @Test func whatIsHeldForLongIsStillFound() {
        _ = lease()
        for number in 2...2_000 as ClosedRange<UInt64> {
            #expect(lease() == DeliveryTag(number))
            if number != 1_000 { #expect(end(number, number) == 1) }
        }
        #expect(channel.leaseCount == 2)
        #expect(end(2, 999) == 0)
        #expect(end(1_000, 1_000) == 1)
        #expect(end(1_001, .max) == 0)
        #expect(end(1, 2_000) == 1)
        #expect(lease() == DeliveryTag(2_001))
    }
}
