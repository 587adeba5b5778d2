import ColaCore
import ColaTesting
import Testing

/// When and how often a message is tried again, and how that is written.
@Suite struct RetryRuleTests {
    @Test func retriesEnd() {
        let list = RetryRule(pace: .list([1, 2]), attempts: 4)
        #expect((1...4).map { list.delay(after: $0, random: 0) } == [1, 2, 2, nil])
        #expect(RetryRule(pace: .fixed(9), attempts: 2).delay(after: 1, random: 0) == 9)
        #expect(RetryRule(pace: .fixed(9), attempts: 1).delay(after: 1, random: 0) == nil)
        let linear = RetryRule(pace: .linear(step: 4, most: 10), attempts: 5)
        #expect((1...5).map { linear.delay(after: $0, random: 7) } == [4, 8, 10, 10, nil])
        #expect(RetryRule(pace: .linear(step: .max, most: .max)).delay(after: 2, random: 0) == .max)
        #expect(RetryRule().delay(after: 4, random: 0) != nil)
        #expect(RetryRule().delay(after: 5, random: 0) == nil)
    }

    @Test(arguments: [
        ("delay=5000", RetryRule(pace: .fixed(5_000))),
        ("attempts=1,delay=0", RetryRule(pace: .fixed(0), attempts: 1)),
        ("delays=1,20,300", RetryRule(pace: .list([1, 20, 300]), attempts: 4)),
        ("delays=7,attempts=9", RetryRule(pace: .list([7]), attempts: 9)),
        ("step=5,most=20", RetryRule(pace: .linear(step: 5, most: 20))),
        ("step=5", RetryRule(pace: .linear(step: 5, most: 3_600_000))),
        ("attempts=3", RetryRule(attempts: 3)),
        ("first=5", RetryRule(pace: .exponential(.init(first: 5, most: 3_600_000)))),
        ("most=500", RetryRule(pace: .exponential(.init(first: 500, most: 500)))),
        (
            "first=10,most=99,factor=1.5,jitter=0,attempts=1000000",
            RetryRule(pace: .exponential(.init(first: 10, most: 99, factor: 1.5, jitter: 0)), attempts: 1_000_000)
        ),
    ])
    func whatIsWrittenIsRead(text: String, rule: RetryRule) throws {
        #expect(try RetryRule(text) == rule)
        #expect(try RetryRule(rule.text) == rule)
        var arguments = Arguments()
        try Argument.retry.set(text, in: &arguments)
        #expect(arguments.retry == rule)
        #expect(Argument.retry.text(in: arguments) == rule.text)
    }

    @Test func howItIsStoredStaysSo() {
        #expect(RetryRule().text == "first=1000,most=3600000,factor=2,jitter=0.2,attempts=5")
        #expect(RetryRule(pace: .fixed(5)).text == "delay=5,attempts=5")
        #expect(RetryRule(pace: .list([1, 2]), attempts: 3).text == "delays=1,2,attempts=3")
        #expect(RetryRule(pace: .linear(step: 1, most: 2)).text == "step=1,most=2,attempts=5")
    }

    @Test(arguments: [
        "", "5000", "delay", "delay=", "delay=-1", "delay=1.5", "delay=1s", "delay=3155760000001", "delay=1,delay=2",
        "delay=1,delays=2", "delay=1,first=2", "step=2,most=1", "step=1,first=2", "step=1,factor=2", "step=", "delays=",
        "delays=1,,2", "delays=1,x", "delay=1,2", "first=2,most=1",
        "factor=0.5", "factor=101", "factor=1e2", "factor=.5", "factor=nan", "jitter=1.1", "jitter=-0", "attempts=0",
        "attempts=1000001", "color=red", "delay=1,", ",delay=1", "delay==1", "jitter=0.000000000000000000000001",
    ])
    func whatIsNotARuleIsRefusedAndSaysWhy(text: String) {
        var arguments = Arguments()
        let refusal = #expect(throws: Argument.Refusal.self) { try Argument.retry.set(text, in: &arguments) }
        #expect(refusal?.sentence.hasPrefix("retry ") ?? false)
        #expect(arguments.isEmpty)
    }

    @Test func aListIsNotEndless() {
        #expect(throws: Argument.Refusal.self) {
            try RetryRule("delays=" + Array(repeating: "1", count: 101).joined(separator: ","))
        }
    }
}
