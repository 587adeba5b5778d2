import ColaTesting
import Testing

/// Every message that was taken is in one place, or somebody can say why it is in none, whatever the rules do to it.
@Suite struct RulesPropertyTests {
    @Test(arguments: Seeds.of(60))
    func eachMessageIsInOnePlace(seed: UInt64) {
        let simulation = RulesSimulation(seed: seed)
        simulation.run(steps: 600)
        #expect(simulation.ledger.violations.isEmpty, "replay with COLA_SEED=\(seed)")
        #expect(simulation.delivered > 0, "seed \(seed) did nothing")
    }
}
