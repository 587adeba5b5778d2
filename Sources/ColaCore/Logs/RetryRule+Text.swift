// A rule as one word: how a queue is declared with it, and how it is stored.
//
// Shape:  parts with commas between them, each `NAME=NUMBER`: `delay`, or `delays` with numbers after its first one, or
//         some of `first`, `most`, `factor` and `jitter`, or `step` and `most`; and `attempts`. Durations in
//         milliseconds.
extension RetryRule {
    /// What ``init(_:)`` reads, with all that holds where nothing is said.
    package var text: String {
        let attempts = "attempts=\(attempts)"
        switch pace {
        case .fixed(let delay): return "delay=\(delay),\(attempts)"
        case .list(let delays):
            return "delays=" + delays.map { "\($0)" }.joined(separator: ",") + ",\(attempts)"
        case .linear(let step, let most): return "step=\(step),most=\(most),\(attempts)"
        case .exponential(let delay):
            let (factor, jitter) = (Self.text(delay.factor), Self.text(delay.jitter))
            return "first=\(delay.first),most=\(delay.most),factor=\(factor),jitter=\(jitter),\(attempts)"
        }
    }

    /// - Throws: what is wrong, as the end of a sentence that names the rule.
    package init(_ text: String) throws(Argument.Refusal) {
        var parts = try Parts(text)
        let delay = try parts.milliseconds("delay")
        let delays = try parts.list("delays")
        let linear = try parts.linear()
        let growing = try parts.growing()
        let attempts = try parts.take("attempts").map { text throws(Argument.Refusal) in
            try Parts.number(text, "attempts", in: 1...Int64(Self.attemptsMax))
        }
        if let unknown = parts.rest {
            throw Argument.Refusal(sentence: "says '\(unknown)'; it has: \(Parts.names.joined(separator: ", "))")
        }
        switch (delay, delays, linear, growing) {
        case (let delay?, nil, nil, nil): self.init(pace: .fixed(delay))
        case (nil, let delays?, nil, nil): self.init(pace: .list(delays), attempts: delays.count + 1)
        case (nil, nil, let linear?, nil): self.init(pace: linear)
        case (nil, nil, nil, let growing): self.init(pace: .exponential(growing ?? Self.growing))
        default:
            let sentence = "says one of delay, delays, step and most, or first and most, not several"
            throw Argument.Refusal(sentence: sentence)
        }
        self.attempts = attempts.map { Int($0) } ?? self.attempts
    }

    private static func text(_ number: Double) -> String {
        number == number.rounded() ? "\(Int64(number))" : "\(number)"
    }
}

/// What a rule says, by name.
private struct Parts {
    static let names = ["delay", "delays", "step", "first", "most", "factor", "jitter", "attempts"]
    static let delaysMax = 100

    private var all: [(name: String, value: String)] = []

    init(_ text: String) throws(Argument.Refusal) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if words.count == 1, all.last?.name == "delays" {
                all[all.count - 1].value += "," + words[0]
            } else if words.count == 2, !all.contains(where: { $0.name == words[0] }) {
                all.append((words[0], words[1]))
            } else {
                let sentence =
                    "is such as delay=5000,attempts=5 or first=1000,most=60000,factor=2 or delays=1000,10000, "
                    + "each part once; '\(part)' does not fit"
                throw Argument.Refusal(sentence: sentence)
            }
        }
    }

    /// The name of one that nobody has taken.
    var rest: String? { all.first?.name }

    mutating func take(_ name: String) -> String? {
        guard let index = all.firstIndex(where: { $0.name == name }) else { return nil }
        return all.remove(at: index).value
    }

    mutating func milliseconds(_ name: String) throws(Argument.Refusal) -> Int64? {
        guard let text = take(name) else { return nil }
        return try Self.number(text, name, in: 0...Argument.millisecondsMax)
    }

    mutating func list(_ name: String) throws(Argument.Refusal) -> [Int64]? {
        guard let text = take(name) else { return nil }
        var numbers: [Int64] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            numbers.append(try Self.number(String(part), name, in: 0...Argument.millisecondsMax))
        }
        guard numbers.count <= Self.delaysMax else {
            throw Argument.Refusal(sentence: "has \(numbers.count) delays; it has at most \(Self.delaysMax)")
        }
        return numbers
    }

    /// - Returns: nil if nothing is said of it; without `step`, `most` is of a delay that grows by a factor.
    mutating func linear() throws(Argument.Refusal) -> RetryRule.Pace? {
        guard let step = try milliseconds("step") else { return nil }
        let most = try milliseconds("most") ?? max(RetryRule.growing.most, step)
        guard step <= most else {
            throw Argument.Refusal(sentence: "says step=\(step), which is more than most=\(most)")
        }
        return .linear(step: step, most: most)
    }

    /// - Returns: nil if nothing is said of it.
    mutating func growing() throws(Argument.Refusal) -> ExponentialDelay? {
        let first = try milliseconds("first")
        let most = try milliseconds("most")
        let factor = try decimal("factor", in: 1...100)
        let jitter = try decimal("jitter", in: 0...1)
        guard first != nil || most != nil || factor != nil || jitter != nil else { return nil }
        var delay = RetryRule.growing
        delay.first = first ?? min(delay.first, most ?? delay.first)
        delay.most = most ?? max(delay.most, delay.first)
        delay.factor = factor ?? delay.factor
        delay.jitter = jitter ?? delay.jitter
        guard delay.first <= delay.most else {
            throw Argument.Refusal(sentence: "says first=\(delay.first), which is more than most=\(delay.most)")
        }
        return delay
    }

    static func number(
        _ text: String, _ name: String, in range: ClosedRange<Int64>
    ) throws(Argument.Refusal) -> Int64 {
        guard !text.isEmpty, text.utf8.allSatisfy(isDigit), let number = Int64(text), range.contains(number) else {
            let sentence = "says \(name)=\(text); that is a number from \(range.lowerBound) to \(range.upperBound)"
            throw Argument.Refusal(sentence: sentence)
        }
        return number
    }

    /// Digits, perhaps with a point and digits.
    private mutating func decimal(_ name: String, in range: ClosedRange<Double>) throws(Argument.Refusal) -> Double? {
        guard let text = take(name) else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let isDecimal = parts.count <= 2 && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(Self.isDigit) }
        guard isDecimal, text.utf8.count <= 20, let number = Double(text), range.contains(number) else {
            let ends = "\(Int(range.lowerBound)) to \(Int(range.upperBound))"
            throw Argument.Refusal(sentence: "says \(name)=\(text); that is a number from \(ends), such as 1 or 0.5")
        }
        return number
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
