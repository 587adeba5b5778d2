internal import ColaWorkers

/// Tokens by which connections are known as those of workers' processes. Each is good once, and dies with the process
/// that it was given to.
struct WorkerTokens {
    private var unused: [(token: [UInt8], instance: InstanceID)] = []

    /// Of one instance. Processes that never connect leave theirs behind: the oldest go.
    private static let unusedMost = 256
    private static let words = 4

    /// - Returns: 32 random bytes in hexadecimal digits.
    mutating func issue(for instance: InstanceID) -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef".utf8)
        var token: [UInt8] = []
        for _ in 0..<Self.words {
            let word: UInt64 = generator.next()
            for place in 0..<16 { token.append(digits[Int(truncatingIfNeeded: word >> (4 * UInt64(place))) & 15]) }
        }
        if unused.count(where: { $0.instance == instance }) >= Self.unusedMost,
            let oldest = unused.firstIndex(where: { $0.instance == instance })
        {
            unused.remove(at: oldest)
        }
        unused.append((token, instance))
        return String(decoding: token, as: UTF8.self)
    }

    /// Takes the token out, if it is one. How long that takes says nothing about how much of it is right.
    mutating func redeem(_ text: String) -> InstanceID? {
        let given = Array(text.utf8)
        var found: Int?
        for index in unused.indices where Self.isEqual(given, unused[index].token) { found = index }
        return found.map { unused.remove(at: $0).instance }
    }

    mutating func revoke(_ instance: InstanceID) { unused.removeAll { $0.instance == instance } }

    private static func isEqual(_ given: [UInt8], _ token: [UInt8]) -> Bool {
        var difference: UInt8 = given.count == token.count ? 0 : 1
        for index in token.indices { difference |= token[index] ^ (index < given.count ? given[index] : 0) }
        return difference == 0
    }
}
