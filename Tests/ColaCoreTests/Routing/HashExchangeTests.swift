import ColaTesting
import Testing

@testable import ColaCore

/// Exchanges that give each message to one of their bindings.
@Suite struct HashExchangeTests {
    private let scene = RouterScene()

    private func addQueues(_ count: Int, weight: (Int) -> String = { _ in "1" }, to exchange: String) {
        for number in 0..<count {
            scene.addQueue("q\(number)")
            scene.bind(exchange, "q\(number)", weight(number))
        }
    }

    /// Where each of the keys leads.
    private func places(_ exchange: String, keys: Int = 20_000) -> [String] {
        (0..<keys).map { key in
            let names = scene.names(exchange, "order.\(key)") ?? []
            #expect(names.count == 1)
            return names.first ?? ""
        }
    }

    private func counts(_ places: [String]) -> [String: Int] { places.reduce(into: [:]) { $0[$1, default: 0] += 1 } }

    @Test func keysAreSpreadByTheWeights() {
        scene.addExchange("x", .consistentHash)
        addQueues(4, weight: { "\($0 + 1)" }, to: "x")
        let counts = counts(places("x"))
        for number in 0..<4 {
            let expected = 2_000 * (number + 1)
            #expect(abs((counts["q\(number)"] ?? 0) - expected) < expected / 10, "\(counts)")
        }
    }

    @Test func onlyKeysOfADestinationThatGoesMove() {
        scene.addExchange("x", .consistentHash)
        addQueues(10, to: "x")
        let before = places("x")
        _ = scene.router.removeDestination("q3")
        let after = places("x")
        for (old, new) in zip(before, after) { #expect(old == new || old == "q3") }
        scene.addQueue("q3")
        scene.bind("x", "q3", "1")
        #expect(places("x") == before)
    }

    /// A restart finds the bindings in another order.
    @Test func theOrderOfBindingsDoesNotMatter() {
        for kind in [ExchangeDefinition.Kind.consistentHash, .modulusHash] {
            let other = RouterScene()
            scene.addExchange("\(kind)", kind)
            other.addExchange("\(kind)", kind)
            addQueues(7, to: "\(kind)")
            for number in [3, 6, 0, 2, 5, 1, 4] {
                other.addQueue("q\(number)")
                other.bind("\(kind)", "q\(number)", "1")
            }
            for key in 0..<500 { #expect(scene.names("\(kind)", "\(key)") == other.names("\(kind)", "\(key)")) }
        }
    }

    /// A key leads to the same place in every version: queues hold what came before.
    @Test func theHashIsTheSameForEver() {
        #expect(RoutingHash.of("order.1".utf8) == 0xb8f6_49d5_ed7f_128f)
        #expect(RoutingHash.of("".utf8) == 0xc381_7c01_6ba4_ff30)
        scene.addExchange("x", .consistentHash)
        addQueues(5, weight: { "\(1 + $0 % 2)" }, to: "x")
        #expect(
            (0..<12).compactMap { scene.names("x", "k\($0)")?.first }.joined(separator: " ")
                == "q2 q3 q3 q4 q1 q1 q0 q3 q3 q1 q3 q1")
    }

    @Test func aHeaderOrPropertyIsHashedInPlaceOfTheKey() {
        let arguments: [(ArgumentTable, String)] = [
            (["hash-header": .text("customer")], "customer"),
            (["hash-property": .text("message_id")], "cola-message-id"),
            (["hash-property": .text("correlation_id")], "cola-correlation-id"),
            (["hash-property": .text("timestamp")], "cola-timestamp"),
        ]
        for (index, (arguments, header)) in arguments.enumerated() {
            scene.addExchange("x\(index)", .consistentHash, arguments: arguments)
            addQueues(5, to: "x\(index)")
            var reached: Set<String> = []
            for value in 0..<100 {
                let names = scene.names("x\(index)", "one", [header: "\(value)"])
                #expect(names?.count == 1)
                #expect(scene.names("x\(index)", "two", ["a": "b", header: "\(value)"]) == names)
                reached.formUnion(names ?? [])
            }
            #expect(reached.count == 5)
            // Without it they all go the same way.
            #expect(Set((0..<20).map { scene.names("x\(index)", "\($0)") }).count == 1)
        }
    }

    @Test func theRemainderLeadsToOneOfThem() {
        scene.addExchange("x", .modulusHash)
        #expect(scene.names("x", "k") == [])
        addQueues(5, weight: { _ in "" }, to: "x")
        let counts = counts(places("x", keys: 5_000))
        #expect(counts.count == 5 && counts.values.allSatisfy { abs($0 - 1_000) < 150 }, "\(counts)")
        let binding = BindingDefinition(source: "x", destination: "q2", routingKey: "")
        #expect(scene.router.remove(binding))
        #expect(!places("x", keys: 200).contains("q2"))
    }

    @Test(arguments: [ExchangeDefinition.Kind.random, .localRandom])
    func anyOneGetsTheMessageAndAllEquallyOften(kind: ExchangeDefinition.Kind) {
        scene.addExchange("x", kind)
        #expect(scene.names("x", "k") == [])
        addQueues(4, to: "x")
        let places = (0..<8_000).map { _ in scene.names("x", "same")?.first ?? "" }
        let counts = counts(places)
        #expect(counts.count == 4 && counts.values.allSatisfy { abs($0 - 2_000) < 200 }, "\(counts)")
        // Not in turns.
        #expect(places != places.indices.map { places[$0 % 4] })
        let other = RouterScene()
        other.addExchange("x", kind)
        for number in 0..<4 {
            other.addQueue("q\(number)")
            other.bind("x", "q\(number)", "1")
        }
        #expect((0..<100).map { _ in other.names("x", "same")?.first ?? "" } == Array(places.prefix(100)))
    }

    @Test func theLogarithmIsOne() {
        // Of fractions whose logarithm is known: a half, a quarter, and close to 1.
        #expect(abs(ConsistentHashTable.surprise(1 << 63) - 0.693_147_180_559_945) < 1e-12)
        #expect(abs(ConsistentHashTable.surprise(1 << 62) - 1.386_294_361_119_891) < 1e-12)
        #expect(ConsistentHashTable.surprise(.max) > 0)
        #expect(ConsistentHashTable.surprise(.max) < 1e-15)
        #expect(ConsistentHashTable.surprise(0) > 36 && ConsistentHashTable.surprise(0) < 38)
    }
}
