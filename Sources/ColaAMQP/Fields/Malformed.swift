/// Bytes that are not what they should be.
package struct Malformed: Error, Hashable, Sendable {
    /// What is wrong with them, for people.
    package let reason: String

    init(_ reason: String) {
        self.reason = reason
    }

    static let notUTF8 = Malformed("a short string is not valid UTF-8")
    static let cutOff = Malformed("they end in the middle of a value")
}
