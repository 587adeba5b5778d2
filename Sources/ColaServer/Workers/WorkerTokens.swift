internal import ColaWorkers

/// Tokens by which connections are known as those of workers' processes. They die with the process that they were
/// given to.
struct WorkerTokens {
    /// Each is good once.
    private var unused: [Token] = []
    /// Good for any number of connections: a program that speaks AMQP makes several, and makes them again.
    private var lasting: [Token] = []

    private struct Token {
        var text: [UInt8]
        var instance: InstanceID
    }

    /// Of one instance. Processes that never connect leave theirs behind: the oldest go.
    private static let unusedMost = 256
    private static let words = 4

    /// - Returns: 32 random bytes in hexadecimal digits.
    mutating func issue(for instance: InstanceID) -> String {
        if unused.count(where: { $0.instance == instance }) >= Self.unusedMost,
            let oldest = unused.firstIndex(where: { $0.instance == instance })
        {
            unused.remove(at: oldest)
        }
        let token = Token(text: Self.random(), instance: instance)
        unused.append(token)
        return String(decoding: token.text, as: UTF8.self)
    }

    /// The same of one that may be shown again, in the place of the one that the instance had.
    mutating func issueLasting(for instance: InstanceID) -> String {
        lasting.removeAll { $0.instance == instance }
        let token = Token(text: Self.random(), instance: instance)
        lasting.append(token)
        return String(decoding: token.text, as: UTF8.self)
    }

    private static func random() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for _ in 0..<words {
            let word: UInt64 = generator.next()
            for place in 0..<16 { text.append(digits[Int(truncatingIfNeeded: word >> (4 * UInt64(place))) & 15]) }
        }
        return text
    }

    /// Takes the token out, if it is one.
    mutating func redeem(_ text: String) -> InstanceID? {
        Self.index(of: text, in: unused).map { unused.remove(at: $0).instance }
    }

    /// Whose lasting token it is.
    func instance(of text: String) -> InstanceID? { Self.index(of: text, in: lasting).map { lasting[$0].instance } }

    mutating func revoke(_ instance: InstanceID) {
        unused.removeAll { $0.instance == instance }
        lasting.removeAll { $0.instance == instance }
    }

    /// How long that takes says nothing about how much of it is right.
    private static func index(of text: String, in tokens: [Token]) -> Int? {
        let given = Array(text.utf8)
        var found: Int?
        for index in tokens.indices where isEqual(given, tokens[index].text) { found = index }
        return found
    }

    private static func isEqual(_ given: [UInt8], _ token: [UInt8]) -> Bool {
        var difference: UInt8 = given.count == token.count ? 0 : 1
        for index in token.indices { difference |= token[index] ^ (index < given.count ? given[index] : 0) }
        return difference == 0
    }
}
