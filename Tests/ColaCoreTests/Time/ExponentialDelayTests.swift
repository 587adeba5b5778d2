import ColaCore
import ColaTesting
import Testing

/// Delays that grow.
@Suite struct ExponentialDelayTests {
    @Test func delaysGrowFromTheFirstToTheMost() {
        let delay = ExponentialDelay(first: 100, most: 60_000, factor: 2, jitter: 0)
        #expect((1...5).map { delay.milliseconds(after: $0, random: 0) } == [100, 200, 400, 800, 1_600])
        #expect(delay.milliseconds(after: 1_000_000, random: .max) == 60_000)
    }

    @Test func everyDelayIsWithinItsEnds() {
        var generator = SplitMix64(seed: 1)
        for _ in 0..<2_000 {
            let first = Int64.random(in: 0...1_000, using: &generator)
            let delay = ExponentialDelay(
                first: first, most: first + .random(in: 0...100_000, using: &generator),
                factor: .random(in: 1...10, using: &generator), jitter: .random(in: 0...1, using: &generator))
            let failures = Int.random(in: 1...200, using: &generator)
            let random = generator.next()
            let value = delay.milliseconds(after: failures, random: random)
            #expect((delay.first...delay.most).contains(value))
            #expect(value == delay.milliseconds(after: failures, random: random))
        }
    }

    @Test func theLongestDelaysDifferToo() {
        let delay = ExponentialDelay(first: 100, most: 60_000)
        var generator = SplitMix64(seed: 1)
        let values = (0..<100).map { _ in delay.milliseconds(after: 50, random: generator.next()) }
        #expect(Set(values).count > 50)
    }

    @Test func aFactorOfOneIsAlwaysTheSame() {
        #expect(ExponentialDelay(first: 7, most: 70, factor: 1, jitter: 0).milliseconds(after: .max, random: 5) == 7)
    }
}
