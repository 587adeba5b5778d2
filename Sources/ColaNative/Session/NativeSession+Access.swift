internal import ColaCore

// `user`, `permit` and `unpermit`, and what is said of a virtual host. Who may is the broker's to decide.
extension NativeSession {
    mutating func setUser(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        var change = UserChange(name: try reader.name())
        change.isNew = try reader.truth("new")
        change.password = try password(&reader)
        change.tags = try tags(&reader)
        change.isFromLoopbackOnly = try reader.truth("loopback-only")
        change.connectionsMax = try limit("max-connections", &reader)
        change.channelsMax = try limit("max-channels", &reader)
        try reader.end()
        request(.setUser(change), reader.tag)
    }

    private func password(
        _ reader: inout RequestReader
    ) throws(RequestReader.Malformed) -> UserChange.Password? {
        let plain = try reader.option("password")
        let text = try reader.option("hash")
        let isNone = try reader.truth("no-password") ?? false
        switch (plain, text, isNone) {
        case (nil, nil, false): return nil
        case (nil, nil, true): return UserChange.Password.none
        case (let plain?, nil, false): return .plain(Secret(plain))
        case (nil, let text?, false):
            guard let hash = PasswordHash(text: text) else {
                let known = PasswordHash.Algorithm.allCases.map(\.rawValue).joined(separator: ", ")
                throw RequestReader.Malformed(
                    "hash= is ALGORITHM:SALT:HASH in hexadecimal digits, with ROUNDS: before SALT for "
                        + "\(PasswordHash.Algorithm.pbkdf2.rawValue); ALGORITHM is one of \(known)")
            }
            return .hash(hash)
        default: throw RequestReader.Malformed("password=, hash= and no-password=yes exclude each other")
        }
    }

    mutating func permit(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let user = try reader.name("USER")
        let host = try reader.optionName("vhost") ?? host
        let exchange = try reader.option("exchange")
        let configure = try reader.option("configure")
        let write = try reader.option("write")
        let read = try reader.option("read")
        try reader.end()
        switch (exchange, configure, write, read) {
        case (nil, let configure?, let write?, let read?):
            request(
                .setPermission(
                    PermissionDefinition(host: host, user: user, configure: configure, write: write, read: read)),
                reader.tag)
        case (let exchange?, nil, let write?, let read?):
            request(
                .setTopicPermission(
                    TopicPermissionDefinition(host: host, user: user, exchange: exchange, write: write, read: read)),
                reader.tag)
        default:
            throw RequestReader.Malformed(
                "permit needs three patterns: permit USER configure=REGEX write=REGEX read=REGEX; for the routing keys "
                    + "of a topic exchange two: permit USER exchange=NAME write=REGEX read=REGEX")
        }
    }

    mutating func unpermit(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let user = try reader.name("USER")
        let host = try reader.optionName("vhost") ?? host
        let exchange = try reader.option("exchange")
        let isOfTopics = try reader.truth("topics") ?? false
        try reader.end()
        if exchange != nil || isOfTopics {
            request(.clearTopicPermission(user: user, host: host, exchange: exchange), reader.tag)
        } else {
            request(.clearPermission(user: user, host: host), reader.tag)
        }
    }

    func virtualHostChange(
        _ reader: inout RequestReader
    ) throws(RequestReader.Malformed) -> VirtualHostChange {
        var change = VirtualHostChange()
        change.text = try reader.option("description")
        change.tags = try tags(&reader)
        change.queueType = try reader.option("default-queue-type")
        change.connectionsMax = try limit("max-connections", &reader)
        change.queuesMax = try limit("max-queues", &reader)
        return change
    }

    private func tags(_ reader: inout RequestReader) throws(RequestReader.Malformed) -> [String]? {
        guard let text = try reader.option("tags") else { return nil }
        return text.split(separator: ",").map(String.init)
    }

    /// A number, or nothing behind the `=` for no limit.
    private func limit(
        _ name: StaticString, _ reader: inout RequestReader
    ) throws(RequestReader.Malformed) -> Limit? {
        guard let text = try reader.option(name) else { return nil }
        if text.isEmpty { return Limit.none }
        guard let number = Int(text), text.utf8.first.map({ (0x30...0x39).contains($0) }) == true,
            (0...Int(Int32.max)).contains(number)
        else {
            throw RequestReader.Malformed("\(name)= is a number from 0 to \(Int32.max), or nothing for no limit")
        }
        return .most(number)
    }
}
