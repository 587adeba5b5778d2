import ColaTesting
import Testing

/// What is promised to clients, whatever they do, and whatever network, disk, clock and process do to them.
@Suite struct SimulationTests {
    @Test(arguments: Seeds.blocks(of: 150, long: 10_000))
    func nothingThatWasPromisedIsBroken(seeds: ClosedRange<UInt64>) {
        let clock = ContinuousClock()
        let began = clock.now
        var tally = Tally()
        for seed in seeds {
            let world = World(seed: seed, keepsTrace: Seeds.isReplay)
            world.run()
            if Seeds.isReplay { print(world.trace.all.joined(separator: "\n")) }
            #expect(world.violations.isEmpty, "\(world.report)")
            tally = tally + world.tally
        }
        let speed = Int(Double(seeds.count) / (began.duration(to: clock.now) / .seconds(1)))
        print("seeds \(seeds.lowerBound)-\(seeds.upperBound): \(speed) a second, \(tally)")
    }

    /// A simulation in which nothing happens finds nothing.
    @Test func everyKindOfFaultComes() {
        let tally = (1...100 as ClosedRange<UInt64>).reduce(Tally()) { sum, seed in
            let world = World(seed: seed)
            world.run()
            return sum + world.tally
        }
        #expect(tally.published > 2_000 && tally.confirmed > 1_000 && tally.delivered > 2_000)
        #expect(tally.records > 500 && tally.acknowledged > 1_000 && tally.commits > 1_000)
        #expect(tally.overAMQP > 2_000 && tally.transactions > 50 && tally.mistakes > 50)
        for count in [
            tally.kills, tally.stops, tally.failedCommits, tally.fullDisks, tally.resets, tally.silences,
            tally.clockJumps, tally.failedReads,
        ] {
            #expect(count > 1, "\(tally)")
        }
    }

    @Test(arguments: Scenario.allCases)
    func whatWasFoundOnceStaysRight(scenario: Scenario) {
        #expect(scenario.run().isEmpty)
    }

    @Test(arguments: [3, 77] as [UInt64])
    func aSeedReplaysIdentically(seed: UInt64) {
        let worlds = [World(seed: seed, keepsTrace: true), World(seed: seed, keepsTrace: true)]
        for world in worlds { world.run() }
        #expect(worlds[0].trace.hash == worlds[1].trace.hash)
        #expect(worlds[0].trace.all == worlds[1].trace.all)
        #expect(worlds[0].trace.all.count > 100)
    }
}
