internal import ColaCore

/// A name and a password, from the settings.
package struct Account: Equatable, Sendable, CustomStringConvertible {
    package var user: String
    package var password: String

    package init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    /// Without the password, wherever it is printed.
    package var description: String { user }
}
