import ColaTesting
import ColaWorkers
import Testing

/// Delays that grow, and the rules for retries and exit codes.
@Suite struct DelayTests {
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

    @Test func retriesEnd() {
        let list = RetryRule(pace: .list([1, 2]), attempts: 4)
        #expect((1...4).map { list.delay(after: $0, random: 0) } == [1, 2, 2, nil])
        #expect(RetryRule(pace: .fixed(9), attempts: 2).delay(after: 1, random: 0) == 9)
        #expect(RetryRule(pace: .fixed(9), attempts: 1).delay(after: 1, random: 0) == nil)
        #expect(RetryRule().delay(after: 4, random: 0) != nil)
        #expect(RetryRule().delay(after: 5, random: 0) == nil)
    }

    @Test func theExitCodeDecides() {
        let map = ExitCodeMap()
        #expect(map.outcome(of: .code(0)) == .ack)
        #expect(map.outcome(of: .code(75)) == .retry)
        #expect(map.outcome(of: .code(1)) == .reject)
        #expect(map.outcome(of: .signal(9, isCoreDumped: false)) == .retry)
        #expect(!map.isCrash(.code(0)) && !map.isCrash(.code(75)))
        #expect(map.isCrash(.code(127)) && map.isCrash(.signal(11, isCoreDumped: false)))
    }
}
