import ColaTesting
import Testing

@testable import ColaCore

/// The exchange type `x-super-stream` and the hash that it shares with RabbitMQ's stream clients.
@Suite struct SuperStreamTableTests {
    private let scene = RouterScene()

    /// Source: Austin Appleby, SMHasher, `KeysetTest.cpp`, `VerificationTest`: the hashes of the keys of 0 to 255 bytes
    /// `00 01 02 …`, each with the seed of 256 less its length, one after the other, hashed once more.
    @Test func theHashIsThatOfItsAuthor() {
        var hashes: [UInt8] = []
        for count in 0..<256 {
            let key = (0..<count).map { UInt8($0) }
            let hash = key.withUnsafeBytes { Murmur3.hash($0, seed: UInt32(256 - count)) }
            withUnsafeBytes(of: hash.littleEndian) { hashes.append(contentsOf: $0) }
        }
        #expect(hashes.withUnsafeBytes { Murmur3.hash($0, seed: 0) } == 0xB0F5_7EE3)
    }

    /// Source: Python's package mmh3 5, `hash(key, 104729, signed=False)`
    @Test(
        arguments: [
            ("", 0xc675_7d56), ("a", 0x40c5_855a), ("ab", 0x17c2_38a8), ("abc", 0xcb3b_e711), ("abcd", 0xcbf3_4fec),
            ("hello", 0x4ec8_3379), ("invoice-17", 0x9fc4_4bdc), ("eu.orders.paid", 0xcae2_db37),
            ("ключ", 0x2183_03c5), ("The quick brown fox jumps over the lazy dog", 0x89a2_e4e6),
        ] as [(String, UInt32)])
    func aKeyLeadsWhereRabbitMQsStreamClientsLeadIt(key: String, hash: UInt32) {
        #expect(Murmur3.hash(key, seed: Murmur3.superStreamSeed) == hash)
        for count in [1, 2, 3, 7] {
            let scene = RouterScene()
            scene.addExchange("s", .superStream)
            // In any order.
            for number in (0..<count).reversed() {
                scene.addQueue("s-\(number)")
                scene.bind("s", "s-\(number)", "\(number)")
            }
            #expect(scene.names("s", key) == ["s-\(hash % UInt32(count))"])
        }
    }

    @Test func itsBindingsAreNumbered() {
        for (key, number) in [("0", 0), ("17", 17), ("4294967295", 4_294_967_295)] as [(String, UInt32)] {
            #expect(SuperStreamTable.number(of: key) == number)
        }
        for key in ["", "x", "-1", "+1", "01", "1.0", " 1", "4294967296"] {
            #expect(SuperStreamTable.number(of: key) == nil)
        }
    }

    @Test func whatNothingIsBoundForLeadsNowhereAndOneTakesWhatTwoAreBoundFor() {
        scene.addExchange("s", .superStream)
        #expect(scene.names("s", "k") == [])
        scene.addQueues("a", "b", "c")
        scene.bind("s", "b", "0")
        #expect(scene.names("s", "k") == ["b"])
        let other = scene.bind("s", "a", "0")  // of two bindings none has the number 1
        #expect(scene.names("s", "hello") == [])  // 0x4ec83379 is odd
        #expect(scene.names("s", "ab") == ["a"])  // 0x17c238a8 is even
        #expect(scene.router.remove(other))
        #expect(scene.names("s", "ab") == ["b"])
    }

    @Test func aBindingThatIsNotANumberIsRefused() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.broker.send(.declareExchange(ExchangeDeclaration(name: "s", kind: .superStream)), from: channel)
        scene.broker.send(
            .bind(BindingDefinition(source: "s", destination: "q", routingKey: "amer")), from: channel)
        scene.broker.send(.bind(BindingDefinition(source: "s", destination: "q", routingKey: "0")), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .refused(code: "syntax"), .done])
        scene.broker.crash()
        let again = scene.attach()
        scene.publish("m", to: "any key", from: again, exchange: "s")
        scene.broker.commit()
        #expect(scene.counts("q")?.ready == 1)
    }
}
