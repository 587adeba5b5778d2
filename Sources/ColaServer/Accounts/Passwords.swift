internal import ColaCore
internal import Crypto
internal import Logging
internal import NIOCore

/// Looks at names and passwords for all protocols, against the users that the broker keeps.
///
/// What was right once is known again at once, so that a thousand clients that connect again do not wait for a thousand
/// hashes: of it a code is kept that is worth nothing without a key that this process alone has, and nothing after the
/// user's password has changed. Nobody learns by the time it takes whether there is a user of a name.
///
/// Source: ARCHITECTURE.md, section 7, "Passwords"
final class Passwords {
    private let thread: PasswordThread
    private let logger: Logger
    private let key = SymmetricKey(size: .bits256)
    private var failures = FailureLimit()
    /// By name: the hash that the password was found to fit, and a code of name and password.
    private var known: [String: (hash: PasswordHash, code: [UInt8])] = [:]

    init(thread: PasswordThread, logger: Logger) {
        self.thread = thread
        self.logger = logger
    }

    /// - Parameters:
    ///   - find: what is kept of a user now; nil: there is none of the name.
    ///   - admit: looks at the token that a worker's process shows as its password; nil: it is none.
    ///   - answer: is called once, on the loop: at once, or when what takes long was done.
    func authenticate(
        _ credentials: Credentials, at now: Instant, find: @escaping (String) -> UserDefinition?,
        admit: (Credentials) -> Access.Identity?, _ answer: @escaping (Authentication) -> Void
    ) {
        let user = find(credentials.user)
        let isLocal = credentials.peer.isLocal
        if !isLocal, let seconds = failures.wait(for: credentials.peer.host, at: now) {
            return answer(
                .refused(
                    "too many wrong passwords came from \(credentials.peer.host); the next is looked at in "
                        + "\(seconds) s"))
        }
        if credentials.isOfWorker {
            if let identity = admit(credentials) { return answer(.admitted(identity)) }
            return conclude(credentials, nil, isRight: false, at: now, answer)
        }
        guard !credentials.isCertified else {
            return conclude(credentials, user, isRight: true, at: now, answer)
        }
        let code = code(of: credentials)
        if let hash = user?.password, let known = known[credentials.user], known.hash == hash,
            PasswordHash.areEqual(known.code, code)
        {
            return conclude(credentials, user, isRight: true, at: now, answer)
        }
        let isBusy = thread.isFull || !isLocal && failures.isExhausted(at: now)
        guard !isBusy else { return answer(.refused("too many passwords are being looked at; try again later")) }
        let hash = user?.password
        let password = credentials.password
        // Of a hash that is quick the answer comes at once, which says that there is such a user: to this machine only.
        let isQuick = hash.map { $0.algorithm != .pbkdf2 } ?? false
        if isLocal, isQuick, let hash {
            return conclude(credentials, user, isRight: hash.matches(password), at: now, answer)
        }
        thread.run {
            if isQuick || hash == nil { _ = PasswordHash.ofNobody.matches(password) }
            return hash?.matches(password) ?? false
        } completion: { [self] isRight in
            // He may have been changed meanwhile.
            let user = find(credentials.user)
            let isRight = isRight && user?.password == hash
            if isRight, let hash { known[credentials.user] = (hash, code) }
            conclude(credentials, user, isRight: isRight, at: now, answer)
        }
    }

    private func conclude(
        _ credentials: Credentials, _ user: UserDefinition?, isRight: Bool, at now: Instant,
        _ answer: @escaping (Authentication) -> Void
    ) {
        // A blank password is nobody's, whatever hash of one was taken in.
        guard isRight, let user, credentials.isCertified || !credentials.password.isEmpty else {
            if !credentials.peer.isLocal { failures.fail(from: credentials.peer.host, at: now) }
            known[credentials.user] = user == nil ? nil : known[credentials.user]
            logger.warning(
                "a login failed", metadata: ["user": "\(credentials.user)", "peer": "\(credentials.peer.description)"])
            return answer(.refused(Self.refusal(of: credentials)))
        }
        guard credentials.peer.isLocal || !user.isFromLoopbackOnly else {
            logger.warning(
                "a user came from elsewhere who may come from loopback only",
                metadata: ["user": "\(user.name)", "peer": "\(credentials.peer.description)"])
            return answer(.refused(Self.refusal(of: credentials)))
        }
        var identity = Access.Identity(user: user.name, isAdministrator: user.has(.administrator))
        identity.mayImpersonate = user.has(.impersonator)
        answer(.admitted(identity))
    }

    private static func refusal(of credentials: Credentials) -> String {
        "wrong name or password, or the user may not come from \(credentials.peer.description)"
    }

    private func code(of credentials: Credentials) -> [UInt8] {
        var code = HMAC<SHA256>(key: key)
        // With its length in front, so that no other pair of name and password is the same bytes.
        withUnsafeBytes(of: UInt64(credentials.user.utf8.count).littleEndian) { code.update(data: $0) }
        code.update(data: Array(credentials.user.utf8))
        code.update(data: Array(credentials.password.utf8))
        return Array(code.finalize())
    }

    /// Whether a password fits, without anybody coming in with it.
    func check(_ password: String, _ hash: PasswordHash?, _ answer: @escaping (Bool) -> Void) {
        thread.run {
            hash?.matches(password) ?? false
        } completion: {
            answer($0)
        }
    }

    func stop() { thread.stop() }

    // MARK: New passwords

    /// The hash of a new password; nil: too many wait.
    func hash(_ password: Secret, _ answer: @escaping (PasswordHash?) -> Void) {
        guard !thread.isFull else { return answer(nil) }
        thread.run {
            PasswordHash(ofNew: password.text)
        } completion: {
            answer($0)
        }
    }
}
