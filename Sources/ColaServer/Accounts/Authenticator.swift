internal import ColaCore

/// Looks at names and passwords, for all protocols. All calls are made on the loop.
protocol Authenticator {
    /// - Parameter answer: is called once, on the loop: at once, or when what takes long was done elsewhere.
    func authenticate(_ credentials: Credentials, _ answer: @escaping (Authentication) -> Void)
}

extension Access: Authenticator {
    func authenticate(_ credentials: Credentials, _ answer: @escaping (Authentication) -> Void) {
        answer(authentication(of: credentials))
    }
}
