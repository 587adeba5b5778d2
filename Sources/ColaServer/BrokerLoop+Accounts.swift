internal import ColaCore
internal import Logging

// Names and passwords: who comes in, and what is kept of him.
extension BrokerLoop {
    /// The answer comes at once where nothing has to be computed for it.
    func authenticate(_ credentials: Credentials, of id: ChannelID) {
        let find = { [broker] in broker.user(named: $0) }
        let admit = { [self] in workerConnections?.admit($0, id).map(Access.Identity.init(worker:)) }
        passwords.authenticate(credentials, at: now.monotonic, find: find, admit: admit) { [self] outcome in
            if !isStopping { connections[id]?.authenticated(outcome) }
        }
    }

    func hash(_ password: Secret, _ request: RequestID, of id: ChannelID) {
        passwords.hash(password) { [self] hash in
            guard !isStopping else { return }
            broker.apply(.passwordHashed(id, request, hash), at: now, into: &effects)
            finishTurnLater()
        }
    }

    /// The user of the settings comes in the place of the guest, where nobody has said anything about users yet.
    /// Otherwise what is stored counts, and where that is something else it is said: or somebody would change a
    /// password here and wonder.
    func begin(with account: Account) {
        if broker.hasGuestAlone {
            broker.begin(
                with: UserDefinition(
                    name: account.user, password: PasswordHash(ofNew: account.password),
                    tags: [UserDefinition.Tag.administrator.rawValue],
                    isFromLoopbackOnly: account.user == UserDefinition.guest.name))
            return finishTurnLater()
        }
        guard let user = broker.user(named: account.user) else {
            return logger.warning(
                "the user of default-user is not made, as there are others already; `cola users add` makes one",
                metadata: ["user": "\(account.user)"])
        }
        passwords.check(account.password, user.password) { [logger] isRight in
            guard !isRight else { return }
            logger.warning(
                "default-pass is not the stored password, which counts; `cola users password` changes that",
                metadata: ["user": "\(account.user)"])
        }
    }
}
