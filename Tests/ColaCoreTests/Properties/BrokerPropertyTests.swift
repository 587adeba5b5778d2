import ColaTesting
import Testing

/// What must hold whatever clients do, however slow the disk is, and whenever the process dies.
@Suite struct BrokerPropertyTests {
    @Test(arguments: Seeds.of(100))
    func nothingThatWasPromisedIsBroken(seed: UInt64) {
        let simulation = Simulation(seed: seed)
        simulation.run(steps: 1_000)
        #expect(simulation.ledger.violations.isEmpty, "replay with COLA_SEED=\(seed)")
        #expect(simulation.delivered > 0, "seed \(seed) did nothing")
    }
}
