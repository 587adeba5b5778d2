import ColaCore
import Testing

@testable import ColaServer

/// What a process of mode `stream` holds, whatever it answers first.
@Suite struct StreamHoldingTests {
    private func holding(_ numbers: [UInt64]) -> StreamHolding {
        var holding = StreamHolding()
        for number in numbers { add(number, to: &holding) }
        return holding
    }

    private func add(_ number: UInt64, to holding: inout StreamHolding) {
        let held = StreamHolding.Held(
            offset: Offset(Int64(number)), began: Timestamp(0), since: Instant(0), failures: 0, reply: nil,
            begin: Int(number) * 10)
        holding.add(held, as: DeliveryTag(number))
    }

    @Test func runsAreWhatIsHeldAndNotAnswered() {
        var holding = holding([3, 4, 5, 7, 8])
        #expect(holding.runs(of: 1...UInt64.max) == [3...5, 7...8])
        holding.answer(DeliveryTag(4))
        #expect(holding.runs(of: 1...7) == [3...3, 5...5, 7...7])
        #expect(holding.runs(of: 4...4).isEmpty && holding.runs(of: 6...6).isEmpty && holding.runs(of: 9...20).isEmpty)
        #expect((holding.unanswered, holding.answered, holding.count) == (4, 1, 5))
        holding.remove(DeliveryTag(3))
        holding.remove(DeliveryTag(4))
        #expect((holding.unanswered, holding.answered) == (3, 0))
        #expect(holding.oldest?.offset == Offset(5))
        #expect(StreamHolding().runs(of: 1...9).isEmpty)
    }

    @Test func whatWasReadIsToldFromWhatWasNot() {
        var holding = holding([2, 3, 6, 9])
        holding.remove(DeliveryTag(3))
        let (seen, unseen) = holding.leftovers(read: 61)
        #expect(seen == DeliveryTag(2)...DeliveryTag(6))
        #expect(unseen == DeliveryTag(9)...DeliveryTag(9))
    }

    @Test func oneThatTakesLongKeepsNoPlacesOfOthers() {
        var holding = holding([1])
        for number in 2...100_000 as ClosedRange<UInt64> {
            add(number, to: &holding)
            holding.remove(DeliveryTag(number))
        }
        #expect(holding.placeCount < 1_000)
        add(100_001, to: &holding)
        #expect(holding.runs(of: 1...200_000) == [1...1, 100_001...100_001])
        #expect(holding[DeliveryTag(100_001)]?.offset == Offset(100_001))
    }
}
