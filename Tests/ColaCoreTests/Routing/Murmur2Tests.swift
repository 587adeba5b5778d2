import ColaCore
import Testing

@Suite struct Murmur2Tests {
    /// Source: Apache Kafka, `UtilsTest.testMurmur2`
    @Test(
        arguments: [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] as [(String, Int32)])
    func theHashIsKafkas(key: String, hash: Int32) {
        #expect(Murmur2.hash(Array(key.utf8)[...]) == hash)
        // From within a longer array, at any alignment.
        for before in 1...4 {
            let bytes = [UInt8](repeating: 0xff, count: before) + Array(key.utf8) + [0xff]
            #expect(Murmur2.hash(bytes[before..<bytes.count - 1]) == hash)
        }
    }

    @Test func thePartitionIsTheHashWithoutItsSign() {
        func partition(_ key: String, _ count: Int) -> Int {
            Murmur2.partition(ofKey: Array(key.utf8)[...], count: count)
        }
        #expect(partition("abc", 10) == 7)  // 479470107
        #expect(partition("21", 1_000) == 340)  // -973932308 + 2^31 = 1173551340
        #expect(partition("foobar", 7) == (-790_332_482 + 2_147_483_648) % 7)
        #expect(partition("foobar", 1) == 0)
    }

    @Test func everyKeyHasAPartitionAndEachPartitionItsShare() {
        var counts = [Int](repeating: 0, count: 6)
        for number in 0..<6_000 { counts[Murmur2.partition(ofKey: Array("key-\(number)".utf8)[...], count: 6)] += 1 }
        #expect(counts.allSatisfy { (850...1_150).contains($0) }, "\(counts)")
        #expect((0..<6).contains(Murmur2.partition(ofKey: [], count: 6)))
    }
}
