internal import ColaCore
internal import Crypto
internal import CryptoExtras

extension PasswordHash {
    /// As OWASP's Password Storage Cheat Sheet asks for: a tenth of a second or more on the machines of 2026.
    static let usualRounds = 600_000

    /// A hash of a new password, with a salt of its own. Takes a tenth of a second and more.
    init(ofNew password: String) {
        var generator = SystemRandomNumberGenerator()
        let salt = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        self.init(
            .pbkdf2, rounds: Self.usualRounds, salt: salt,
            hash: Self.compute(.pbkdf2, rounds: Self.usualRounds, salt: salt, password))
    }

    /// Whether it is of this password. Takes as long as making it did, whatever the answer.
    func matches(_ password: String) -> Bool {
        Self.areEqual(Self.compute(algorithm, rounds: rounds, salt: salt, password), hash)
    }

    /// What one is held against who is nobody: the answer is no, and takes as long as it would for somebody.
    static let ofNobody = PasswordHash(
        .pbkdf2, rounds: usualRounds, salt: [UInt8](repeating: 0, count: 16), hash: [UInt8](repeating: 0, count: 32))

    private static func compute(
        _ algorithm: Algorithm, rounds: Int, salt: [UInt8], _ password: String
    ) -> [UInt8] {
        let password = [UInt8](password.utf8)
        switch algorithm {
        case .pbkdf2:
            do {
                let key = try KDF.Insecure.PBKDF2.deriveKey(
                    from: password, salt: salt, using: .sha256, outputByteCount: algorithm.byteCount,
                    unsafeUncheckedRounds: rounds)
                return key.withUnsafeBytes { [UInt8]($0) }
            } catch {
                // Memory has run out. An empty hash is nobody's.
                return []
            }
        case .rabbitSHA256: return [UInt8](SHA256.hash(data: salt + password))
        case .rabbitSHA512: return [UInt8](SHA512.hash(data: salt + password))
        case .rabbitMD5: return [UInt8](Insecure.MD5.hash(data: salt + password))
        }
    }

    /// In a time that says nothing of where they differ.
    static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        var difference: UInt8 = 0
        for index in one.indices { difference |= one[index] ^ other[index] }
        return difference == 0
    }
}
