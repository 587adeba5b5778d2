/// Why a certificate or a key cannot be used, for people: which file, and what to do.
package struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// There is no such file, or it does not hold what it should.
        case wrong
        /// The file may not be read, or too many may.
        case notPermitted
    }

    package let kind: Kind
    package let description: String
}
