import ColaTesting
import Testing

/// What is promised to clients, whatever they do, and whatever network, disk, clock and process do to them.
@Suite struct SimulationTests {
    @Test(arguments: Seeds.of(150, long: 10_000))
    func nothingThatWasPromisedIsBroken(seed: UInt64) {
        let world = World(seed: seed, keepsTrace: Seeds.isReplay)
        world.run()
        if Seeds.isReplay { print(world.trace.all.joined(separator: "\n")) }
        #expect(world.violations.isEmpty, "\(world.report)")
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
