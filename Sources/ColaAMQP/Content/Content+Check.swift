extension Content {
    /// Why nobody could publish a message with these properties, as a sentence; nil if somebody could.
    ///
    /// - Parameters:
    ///   - properties: flags and list, as they stand in a content header.
    ///   - user: who sends them; nil: somebody who may name anybody as the sender.
    package static func problem(of properties: [UInt8], user: String?) -> String? {
        properties.withUnsafeBytes { bytes -> String? in
            do throws(ContentError) {
                _ = try Content(properties: bytes, body: [], user: user)
                return nil
            } catch {
                switch error {
                case .malformed(let malformed): return malformed.reason
                case .refused(let refusal): return refusal.text
                }
            }
        }
    }
}
