/// Why the payload of a method frame is no method.
package enum MethodError: Error, Hashable, Sendable {
    /// There is no such method.
    case unknown(MethodID)
    /// What is wrong with its bytes, for people.
    case malformed(String)
}
