import ColaWorkers
import Testing

@testable import ColaServer

@Suite struct WorkerTokensTests {
    private let one = InstanceID(1)
    private let two = InstanceID(2)

    @Test func eachIsGoodOnceForWhomItWasGivenTo() {
        var tokens = WorkerTokens()
        let (first, second) = (tokens.issue(for: one), tokens.issue(for: two))
        #expect(first != second)
        #expect(first.utf8.count == 64 && first.allSatisfy(\.isHexDigit))
        #expect(tokens.redeem(second) == two)
        #expect(tokens.redeem(second) == nil)
        #expect(tokens.redeem(first) == one)
    }

    @Test func whatIsNearlyOneIsNone() {
        var tokens = WorkerTokens()
        let token = tokens.issue(for: one)
        for wrong in [
            "", "x", String(token.dropLast()), token + "0", token.uppercased() + " ", String(token.reversed()),
        ] {
            #expect(tokens.redeem(wrong) == nil, "\(wrong.count) characters")
        }
        #expect(tokens.redeem(token) == one)
    }

    @Test func theyEndWithTheirInstance() {
        var tokens = WorkerTokens()
        let (first, second) = (tokens.issue(for: one), tokens.issue(for: two))
        tokens.revoke(one)
        #expect(tokens.redeem(first) == nil)
        #expect(tokens.redeem(second) == two)
    }

    @Test func ofManyThatNobodyUsesTheLatestCount() {
        var tokens = WorkerTokens()
        let other = tokens.issue(for: two)
        let all = (0..<300).map { _ in tokens.issue(for: one) }
        #expect(tokens.redeem(all[43]) == nil)
        #expect(tokens.redeem(all[44]) == one)
        #expect(tokens.redeem(all[299]) == one)
        #expect(tokens.redeem(other) == two)
    }
}
