import ColaCore
import ColaTesting
import Testing

@Suite struct DedupWindowTests {
    @Test func anIdIsNewOnce() {
        var window = DedupWindow()
        let results = ["a", "b", "a", "", ""].map { window.insert($0, at: 0, expires: 10) }
        #expect(results == [true, true, false, true, false])
        #expect(window.count == 3)
        #expect(window.byteCount == 2)
        #expect(window.contains(id: bytes("a"), at: Timestamp(9)))
        #expect(!window.contains(id: bytes("c"), at: Timestamp(9)))
    }

    @Test func whatHasExpiredIsUnseenThoughItIsStillThere() {
        var window = DedupWindow()
        _ = window.insert("a", at: 0, expires: 10)
        #expect(window.contains(id: bytes("a"), at: Timestamp(9)))
        #expect(!window.contains(id: bytes("a"), at: Timestamp(10)))
        #expect(window.count == 1)
        let again = window.insert("a", at: 10, expires: 20)
        #expect(again)
        #expect(window.count == 1 && window.byteCount == 1)
        // The old one is not reported: its row in the store is the new one's now.
        #expect(window.expire(at: Timestamp(19), max: 5).isEmpty)
        #expect(window.expire(at: Timestamp(20), max: 5) == [Array(bytes("a"))])
        #expect(window.isEmpty && window.byteCount == 0)
    }

    @Test func aDuplicateDoesNotLiveLongerForIt() {
        var window = DedupWindow()
        _ = window.insert("a", at: 0, expires: 10)
        let again = window.insert("a", at: 5, expires: 15)
        #expect(!again)
        #expect(window.nextExpiry == Timestamp(10))
        #expect(!window.contains(id: bytes("a"), at: Timestamp(12)))
    }

    @Test func expiryIsDoneInSlicesInTheOrderOfTime() {
        var window = DedupWindow()
        for (id, expires) in [("d", 40), ("a", 10), ("c", 30), ("b", 10)] as [(String, Int64)] {
            _ = window.insert(id, at: 0, expires: expires)
        }
        #expect(window.nextExpiry == Timestamp(10))
        #expect(window.expire(at: Timestamp(9), max: 10).isEmpty)
        #expect(window.expire(at: Timestamp(35), max: 0).isEmpty)
        #expect(window.expire(at: Timestamp(35), max: 2).map(text) == ["a", "b"])
        #expect(window.expire(at: Timestamp(35), max: 2).map(text) == ["c"])
        #expect(window.count == 1)
        #expect(window.nextExpiry == Timestamp(40))
    }

    @Test func aShorterWindowIsNotHeldUpByALongerOneBefore() {
        var window = DedupWindow()
        _ = window.insert("long", at: 0, expires: 1_000_000)
        for number in 0..<100 { _ = window.insert("short \(number)", at: 0, expires: 5) }
        #expect(window.expire(at: Timestamp(5), max: 1_000).count == 100)
        #expect(window.count == 1)
    }

    @Test func theOldestIsForgottenFirst() {
        var window = DedupWindow()
        for id in ["x", "yy", "zzz"] { _ = window.insert(id, at: 0, expires: 10) }
        let (first, second) = (window.forgetOldest(), window.forgetOldest())
        #expect([first, second].map { $0.map(text) } == ["x", "yy"])
        #expect(window.byteCount == 3)
        #expect(!window.contains(id: bytes("x"), at: Timestamp(0)))
        let (third, none) = (window.forgetOldest(), window.forgetOldest())
        #expect(third.map(text) == "zzz" && none == nil)
    }

    @Test func anIdCanBeTakenBack() {
        var window = DedupWindow()
        _ = window.insert("a", at: 0, expires: 10)
        let (first, second) = (window.remove(id: bytes("a")), window.remove(id: bytes("a")))
        #expect(first && !second)
        #expect(window.byteCount == 0 && window.nextExpiry == nil)
        let again = window.insert("a", at: 0, expires: 10)
        #expect(again)
    }

    @Test func idsThatComeAgainForeverTakeNoMemory() {
        var window = DedupWindow()
        _ = window.insert("first to expire", at: .min, expires: .min)
        for turn in 0..<20_000 as Range<Int64> {
            // Each finds its former self expired; the one above stays at the top.
            let isNew = window.insert("\(turn % 7)", at: turn, expires: turn + 7)
            #expect(isNew)
            #expect(window.entryCount <= 2 * window.count + 16)
        }
        #expect(window.count == 8)
        #expect(window.byteCount == 15 + 7)
    }

    @Test(arguments: Seeds.of(40)) func itBehavesLikeAPlainList(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var window = DedupWindow()
        /// In the order of insertion.
        var model: [(id: String, expires: Int64)] = []
        func firstToExpire() -> Int? { model.indices.min { (model[$0].expires, $0) < (model[$1].expires, $1) } }
        var now: Int64 = 0
        var length: Int64 = 50
        for _ in 0..<500 {
            now += Int64.random(in: 0...3, using: &random)
            let id = "\(Int.random(in: 0..<40, using: &random))"
            switch Int.random(in: 0..<20, using: &random) {
            case 0: length = Int64.random(in: 0...100, using: &random)
            case 1:
                let oldest = firstToExpire().map { model.remove(at: $0).id }
                let forgotten = window.forgetOldest()
                #expect(forgotten.map(text) == oldest)
            case 2:
                let removed = window.remove(id: bytes(id))
                #expect(removed == model.contains { $0.id == id })
                model.removeAll { $0.id == id }
            case 3..<6:
                let max = Int.random(in: 0...6, using: &random)
                var expected: [String] = []
                while expected.count < max, let first = firstToExpire(), model[first].expires <= now {
                    expected.append(model.remove(at: first).id)
                }
                #expect(window.expire(at: Timestamp(now), max: max).map(text) == expected)
            default:
                let isNew = !model.contains { $0.id == id && $0.expires > now }
                #expect(window.contains(id: bytes(id), at: Timestamp(now)) != isNew)
                let inserted = window.insert(id, at: now, expires: now + length)
                #expect(inserted == isNew)
                if isNew {
                    model.removeAll { $0.id == id }
                    model.append((id, now + length))
                }
            }
            #expect(window.count == model.count)
            #expect(window.byteCount == model.reduce(0) { $0 + $1.id.utf8.count })
            #expect(window.nextExpiry?.rawValue == model.map(\.expires).min())
        }
    }
}

private func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }
private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

extension DedupWindow {
    fileprivate mutating func insert(_ id: String, at now: Int64, expires: Int64) -> Bool {
        insert(id: bytes(id), at: Timestamp(now), expires: Timestamp(expires))
    }
}
