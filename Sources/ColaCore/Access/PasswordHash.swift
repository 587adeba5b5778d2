/// What is kept of a password: enough to recognise it, too little to find it.
///
/// The core only keeps it and hands it on; who computes it is elsewhere, as that takes long on purpose.
///
/// Shape:  `text` is the algorithm, the rounds where it has some, salt and hash with `:` between them, the last two
///         in hexadecimal: `pbkdf2-sha256:600000:SALT:HASH`, `rabbitmq-sha256:SALT:HASH`.
/// Source: RFC 8018 section 5.2 (PBKDF2); RabbitMQ, "Passwords", "Computing Password Hash"
package struct PasswordHash: Equatable, Sendable, CustomStringConvertible {
    package enum Algorithm: String, CaseIterable, Sendable {
        /// What new passwords are kept as.
        case pbkdf2 = "pbkdf2-sha256"
        /// Those of RabbitMQ: one round over the salt and the password. They are taken in, not made.
        case rabbitSHA256 = "rabbitmq-sha256"
        case rabbitSHA512 = "rabbitmq-sha512"
        case rabbitMD5 = "rabbitmq-md5"

        /// How long the hash is. Bytes.
        package var byteCount: Int {
            switch self {
            case .pbkdf2, .rabbitSHA256: 32
            case .rabbitSHA512: 64
            case .rabbitMD5: 16
            }
        }
    }

    package var algorithm: Algorithm
    /// 1 where the algorithm has none to choose.
    package var rounds: Int
    package var salt: [UInt8]
    package var hash: [UInt8]

    /// More than anybody needs, and still an end: a hash may come from a file that somebody sent.
    package static let roundsMax = 10_000_000
    package static let saltBytesMax = 64

    package init(_ algorithm: Algorithm, rounds: Int = 1, salt: [UInt8], hash: [UInt8]) {
        self.algorithm = algorithm
        self.rounds = rounds
        self.salt = salt
        self.hash = hash
    }

    /// Nil if it is not of that shape.
    package init?(text: String) {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)[...]
        guard let algorithm = parts.popFirst().flatMap({ Algorithm(rawValue: String($0)) }) else { return nil }
        var rounds = 1
        if algorithm == .pbkdf2 {
            guard let number = parts.popFirst().flatMap({ Int($0) }), (1...Self.roundsMax).contains(number) else {
                return nil
            }
            rounds = number
        }
        guard parts.count == 2, let salt = Hexadecimal.bytes(parts[parts.startIndex]),
            let hash = Hexadecimal.bytes(parts[parts.startIndex + 1]), (1...Self.saltBytesMax).contains(salt.count),
            hash.count == algorithm.byteCount
        else { return nil }
        self.init(algorithm, rounds: rounds, salt: salt, hash: hash)
    }

    package var text: String {
        let rounds = algorithm == .pbkdf2 ? "\(rounds):" : ""
        return "\(algorithm.rawValue):\(rounds)\(Hexadecimal.text(salt)):\(Hexadecimal.text(hash))"
    }

    /// Not the hash: nobody needs it in a log.
    package var description: String { algorithm.rawValue }
}

/// Bytes as two digits each.
enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Nil if there is anything but pairs of digits.
    static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 2)
        for index in stride(from: 0, to: characters.count, by: 2) {
            guard let high = value(characters[index]), let low = value(characters[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
