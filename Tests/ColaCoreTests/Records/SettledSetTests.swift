import ColaCore
import ColaTesting
import Testing

@Suite struct SettledSetTests {
    @Test func anOffsetIsSettledOnce() {
        var set = SettledSet()
        #expect(set.isEmpty)
        let first = set.insert(64)
        let second = set.insert(64)
        #expect(first)
        #expect(!second)
        #expect(set.count == 1)
        #expect(set.contains(64))
        #expect(!set.contains(63) && !set.contains(65) && !set.contains(1_000_000))
    }

    @Test func aRunIsStoredAsRangesAndAScatterAsABitmap() {
        let run = SettledSet(of: Array(10..<1_000))
        #expect(run.encoded() == RecordSamples.bytes(hex: "01 14 bc0f"))  // gap 10, length 990
        let twoRuns = SettledSet(of: Array(0..<100) + Array(200..<300))
        #expect(twoRuns.encoded() == RecordSamples.bytes(hex: "01 00 c801 c801 c801"))
        let scatter = SettledSet(of: [0, 2, 4, 6, 9])
        #expect(scatter.encoded() == [0, 0b0101_0101, 0b10])
    }

    @Test func theEmptySetIsTheEmptyBitmap() {
        #expect(SettledSet().encoded() == [0])
        #expect(SettledSet(encoded: [0]) == SettledSet())
        #expect(SettledSet(encoded: [1]) == SettledSet())
    }

    @Test func itNeverStoresMoreThanTheBitmapWould() {
        for stride in 1...40 {
            let set = SettledSet(of: Array(Swift.stride(from: 0, to: 2_000, by: stride)))
            #expect(set.encoded().count <= 1 + 250, "every \(stride)")
        }
    }

    @Test func bytesOfAnotherFormAreRefused() {
        let malformed = [
            "",  // nothing
            "02", "ff 00",  // no such kind
            "01 00",  // a gap without a length
            "01 80",  // a cut varint
            "01 01 02",  // a gap of -1
            "01 00 00",  // a length of 0
            "01 00 01",  // a length of -1
            "01 8080808001 02",  // a gap of 2^27, beyond what a chunk spans
            "01 00 8080808001",  // a length of 2^27
            "01 feffffffffffffffff01 02", "01 00 feffffffffffffffff01",  // 2^63-1
            "01 ffffffffffffffffff01 02", "01 00 ffffffffffffffffff01",  // -2^63
            "01 ffffffffffffffffffffff 02",  // a varint of eleven bytes
        ]
        for hex in malformed { #expect(SettledSet(encoded: RecordSamples.bytes(hex: hex)) == nil, "\(hex)") }
    }

    @Test func rangesMayReachTheLimitTogetherAndNotPassIt() {
        var bytes: [UInt8] = [1]
        Varint.append(Int64(SettledSet.indexMax - 10), to: &bytes)
        Varint.append(5, to: &bytes)
        Varint.append(4, to: &bytes)
        #expect(SettledSet(encoded: bytes + [0x02])?.count == 6)
        #expect(SettledSet(encoded: bytes + [0x04]) == nil)
    }

    @Test func aBitmapBeyondTheLimitIsRefused() {
        #expect(SettledSet(encoded: [UInt8](repeating: 0, count: SettledSet.indexMax / 8 + 1)) != nil)
        #expect(SettledSet(encoded: [UInt8](repeating: 0, count: SettledSet.indexMax / 8 + 2)) == nil)
    }

    @Test(arguments: RecordSeeds.first(20))
    func itBehavesLikeAPlainSet(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var set = SettledSet()
        var model: Set<Int> = []
        let span = [8, 64, 65, 700][Int.random(in: 0..<4, using: &random)]
        for _ in 0..<Int.random(in: 1...300, using: &random) {
            let start = Int.random(in: 0..<span, using: &random)
            for index in start..<start + [1, 1, 1, 30].randomElement(using: &random)! {
                let (inserted, expected) = (set.insert(index), model.insert(index).inserted)
                #expect(inserted == expected)
            }
        }
        #expect(set.count == model.count)
        #expect(set.isEmpty == model.isEmpty)
        for index in 0..<span + 200 {
            #expect(set.contains(index) == model.contains(index))
            #expect(set.firstMissing(from: index) == (index...).first { !model.contains($0) })
            #expect(set.containsAny(from: index) == model.contains { $0 >= index })
        }
        let encoded = set.encoded()
        #expect(encoded.count <= 2 + model.max()! / 8)
        let back = try #require(SettledSet(encoded: encoded))
        #expect(back == set)
        #expect(back.count == set.count)
    }

    /// Whatever is stored, reading it ends and does not trap; what is accepted has one stored form.
    @Test(arguments: RecordSeeds.first(10))
    func anyBytesAreReadOrRefused(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<500 {
            let kind = UInt8.random(in: 0...2, using: &random)
            // Bytes below 16 mostly, so that ranges stay small and a good part of them is accepted.
            let rest = (0..<Int.random(in: 0...12, using: &random)).map { _ in UInt8.random(in: 0...15, using: &random)
            }
            guard let set = SettledSet(encoded: [kind] + rest) else { continue }
            #expect(SettledSet(encoded: set.encoded()) == set)
        }
    }
}

extension SettledSet {
    fileprivate init(of indices: [Int]) {
        self.init()
        for index in indices { insert(index) }
    }
}
