import ColaTesting
import ColaWorkers
import Testing

/// What must hold of workers, whatever processes, the keeper, operators and settings do.
@Suite struct SupervisorSimulationTests {
    @Test(arguments: Seeds.blocks(of: 40, long: 4_000))
    func noWorkerIsDoubledOrphanedOrForgotten(seeds: ClosedRange<UInt64>) {
        for seed in seeds {
            let world = SupervisorWorld(seed: seed)
            world.run(steps: 600)
            #expect(world.violations.isEmpty, "replay with COLA_SEED=\(seed)")
        }
    }

    /// A world in which nothing happens shows nothing.
    @Test func everyStateAndEveryEndIsReached() {
        var reached: Set<InstanceState> = []
        var ends: [String: Int] = [:]
        for seed in UInt64(1)...10 {
            let world = SupervisorWorld(seed: seed)
            world.run(steps: 600)
            reached.formUnion(world.reached)
            ends.merge(world.ends) { $0 + $1 }
        }
        #expect(reached.count == InstanceState.allCases.count)
        #expect(ends.count == 5 && ends.values.allSatisfy { $0 > 20 }, "\(ends)")
    }

    @Test func aSeedRepeatsItself() {
        let worlds = (0..<2).map { _ in SupervisorWorld(seed: 7) }
        for world in worlds { world.run(steps: 300) }
        #expect(worlds[0].supervisor.status == worlds[1].supervisor.status)
        #expect(worlds[0].now == worlds[1].now)
        #expect(worlds[0].ends == worlds[1].ends)
    }
}
