import ColaCore
import ColaTesting
import Testing

/// Which dead letters are meant.
@Suite struct DeathFilterTests {
    private static let attempt = Attempt(
        began: Timestamp(1), ended: Timestamp(2), end: .timedOut, worker: "w", output: ["no"])

    private func message(_ change: (inout Message) -> Void = { _ in }) -> Message {
        var message = Message(key: Array("k".utf8)[...], value: Array("a body of text".utf8)[...])
        for (name, value) in [
            ("cola-death", "expired 1 5 a % a"), ("color", "red"), ("cola-death", "rejected 2 7 b%20b % b"),
            ("cola-attempt", Self.attempt.text),
        ] {
            message.headers.append(name: name.utf8, value: Array(value.utf8))
        }
        change(&message)
        return message
    }

    private func fits(_ message: Message, _ change: (inout DeathFilter) -> Void) -> Bool {
        var filter = DeathFilter()
        change(&filter)
        return filter.includes(message, taken: Timestamp(1_000), at: Timestamp(1_500))
    }

    @Test func whatSaysNothingIncludesAll() {
        #expect(DeathFilter().isEmpty)
        #expect(fits(Message(value: nil)) { _ in })
    }

    @Test func theLastDeathCounts() {
        #expect(fits(message()) { $0.reason = .rejected } && !fits(message()) { $0.reason = .expired })
        #expect(fits(message()) { $0.queue = "b b" } && !fits(message()) { $0.queue = "a" })
        #expect(!fits(Message(value: nil)) { $0.queue = "b b" })
    }

    @Test func theLastAttemptCounts() {
        #expect(fits(message()) { $0.end = .timedOut } && !fits(message()) { $0.end = .exited })
        let later = message { message in
            var other = Self.attempt
            other.end = .killed
            message.headers.append(name: "cola-attempt".utf8, value: Array(other.text.utf8))
        }
        #expect(fits(later) { $0.end = .killed } && !fits(later) { $0.end = .timedOut })
        #expect(!fits(Message(value: nil)) { $0.end = .killed })
    }

    @Test func keyHeadersAndText() {
        #expect(fits(message()) { $0.key = Array("k".utf8) } && !fits(message()) { $0.key = [] })
        #expect(!fits(Message(value: nil)) { $0.key = [] } && fits(Message(key: [], value: nil)) { $0.key = [] })
        let red = DeathFilter.Header(name: Array("color".utf8), value: Array("red".utf8))
        let blue = DeathFilter.Header(name: Array("color".utf8), value: Array("blue".utf8))
        #expect(fits(message()) { $0.headers = [red] } && !fits(message()) { $0.headers = [red, blue] })
        #expect(fits(message()) { $0.text = Array("y of".utf8) } && !fits(message()) { $0.text = Array("off".utf8) })
        #expect(!fits(Message(value: nil)) { $0.text = [0] })
    }

    @Test func ages() {
        #expect(fits(message()) { $0.oldest = 500 } && !fits(message()) { $0.oldest = 501 })
        #expect(fits(message()) { $0.youngest = 501 } && !fits(message()) { $0.youngest = 500 })
    }

    @Test func allThatIsSaidMustFit() {
        #expect(
            fits(message()) {
                $0.reason = .rejected
                $0.text = Array("body".utf8)
            })
        #expect(
            !fits(message()) {
                $0.reason = .rejected
                $0.text = Array("nobody".utf8)
            })
    }

    /// Few different bytes, so that patterns fit in part again and again.
    @Test func aTextIsFoundExactlyWhereItStands() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<3_000 {
            let bytes = (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0...1, using: &random)
            }
            let text = (0..<Int.random(in: 1...5, using: &random)).map { _ in UInt8.random(in: 0...1, using: &random) }
            let isThere = bytes.indices.contains { bytes[$0...].starts(with: text) }
            let message = Message(value: bytes[...])
            #expect(fits(message) { $0.text = text } == isThere, "\(text) in \(bytes)")
        }
    }
}
