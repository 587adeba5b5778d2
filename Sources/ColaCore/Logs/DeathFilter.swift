/// Which dead letters are meant: those that fit all that is said.
package struct DeathFilter: Equatable, Sendable {
    package struct Header: Equatable, Sendable {
        package var name: [UInt8]
        package var value: [UInt8]

        package init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// Why it died last.
    package var reason: DeathReason?
    /// Where it died last.
    package var queue: String?
    /// How the last attempt at it ended.
    package var end: Attempt.End?
    package var key: [UInt8]?
    /// Stands somewhere in its body.
    package var text: [UInt8]?
    /// It has been where it is for at least so long. Milliseconds.
    package var oldest: Int64?
    /// It has been where it is for less than this. Milliseconds.
    package var youngest: Int64?
    /// It has each of them.
    package var headers: [Header] = []

    package init() {}

    package var isEmpty: Bool { self == DeathFilter() }

    /// - Parameter taken: when it came to where it is.
    package func includes(_ message: Message, taken: Timestamp, at now: Timestamp) -> Bool {
        let age = now.rawValue - taken.rawValue
        if let oldest, age < oldest { return false }
        if let youngest, age >= youngest { return false }
        if let key, !(message.key?.elementsEqual(key) ?? false) { return false }
        if !headers.isEmpty || reason != nil || queue != nil || end != nil {
            guard includes(message.headers.list) else { return false }
        }
        if let text { return ByteSearch(text).isFound(in: message.value ?? []) }
        return true
    }

    private func includes(_ list: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>?)]) -> Bool {
        for header in headers {
            let isThere = list.contains {
                $0.name.elementsEqual(header.name) && ($0.value ?? []).elementsEqual(header.value)
            }
            if !isThere { return false }
        }
        if reason != nil || queue != nil {
            let last = list.last { BrokerHeader($0.name) == .death }?.value
            guard let death = last.flatMap({ DeathHistory.Event($0) }) else { return false }
            if let reason, death.reason != reason.rawValue { return false }
            if let queue, death.queue != queue { return false }
        }
        guard let end else { return true }
        let last = list.last { BrokerHeader($0.name) == .attempt }?.value
        return last.flatMap { Attempt($0) }?.end == end
    }
}

/// Whether some bytes stand in others, in one pass whatever they are: both are what strangers sent.
///
/// Source: Knuth, Morris and Pratt, "Fast pattern matching in strings", 1977
struct ByteSearch {
    private let pattern: [UInt8]
    /// For each number of bytes that fit, how many fit still when the next one does not.
    private let fallback: [Int]

    init(_ pattern: [UInt8]) {
        self.pattern = pattern
        var fallback = [0]
        var length = 0
        for byte in pattern.dropFirst() {
            while length > 0, pattern[length] != byte { length = fallback[length - 1] }
            if pattern[length] == byte { length += 1 }
            fallback.append(length)
        }
        self.fallback = fallback
    }

    func isFound(in bytes: some Sequence<UInt8>) -> Bool {
        if pattern.isEmpty { return true }
        var length = 0
        for byte in bytes {
            while length > 0, pattern[length] != byte { length = fallback[length - 1] }
            if pattern[length] == byte { length += 1 }
            if length == pattern.count { return true }
        }
        return false
    }
}
