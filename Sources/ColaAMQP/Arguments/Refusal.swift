/// Why something that a client asks for cannot be, as RabbitMQ says it.
package struct Refusal: Error, Hashable, Sendable {
    package var code: UInt16
    /// What stands behind the name of the code and a dash in the reply text.
    package var text: String

    package init(code: UInt16 = Refusal.preconditionFailed, _ text: String) {
        self.code = code
        self.text = text
    }

    /// The channel ends.
    package static let preconditionFailed: UInt16 = 406
}
