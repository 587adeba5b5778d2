internal import ColaCore

// `list`, `describe`, `why` and `stat`.
extension NativeSession {
    mutating func inspect(_ verb: Verb, _ reader: inout RequestReader) throws(RequestReader.Malformed) {
        switch verb {
        case .list:
            let word = try reader.text("WHAT")
            try reader.end()
            if let workers = WorkerRequest(listing: word) { return ask(workers, reader.tag, to: "list \(word)") }
            guard let listing = Listing(rawValue: word) else {
                let known = (Listing.allCases.map(\.rawValue) + WorkerRequest.listings).joined(separator: ", ")
                throw RequestReader.Malformed("there is no list of '\(word)', but of \(known)")
            }
            request(.list(listing), reader.tag)
        case .describe:
            let kind = try reader.text("queue, topic, exchange, group, policy, vhost, user or worker")
            if kind == "worker" { return try describeWorker(&reader) }
            let subject = try subject(kind, &reader)
            try reader.end()
            request(.describe(subject), reader.tag)
        case .why:
            let name = try reader.name()
            let offset = try reader.numberIfThere("OFFSET", in: 0...Int64.max)
            let priority = try priority(&reader)
            try reader.end()
            guard priority == nil || offset != nil else {
                throw RequestReader.Malformed("priority= says which messages OFFSET counts: why NAME OFFSET priority=N")
            }
            request(.why(name: name, offset.map { Offset($0) }, priority: priority ?? 0), reader.tag)
        default:
            try reader.end()
            if reader.tag.isTag { statisticsTags.insert(reader.tag) }
            request(.statistics, reader.tag.isTag ? reader.tag : .statistics)
        }
    }

    /// Workers are programs.
    mutating func refuse(_ request: String, _ tag: RequestID) {
        let sentence =
            "only an administrator may \(request): the server's own user or root over its Unix socket, or a user with "
            + "the tag administrator (`cola users`); this is \(identity?.user ?? peer.description)"
        _ = refuse("access_refused", sentence, 0, tag)
    }

    private func subject(
        _ kind: String, _ reader: inout RequestReader
    ) throws(RequestReader.Malformed) -> Subject {
        let name = try reader.name(kind == "group" ? "TOPIC" : "NAME")
        switch kind {
        case "queue": return .queue(name)
        case "topic": return .topic(name)
        case "exchange": return .exchange(name)
        case "group": return .group(topic: name, group: try reader.name("GROUP"))
        case "policy": return .policy(name)
        case "vhost": return .virtualHost(name)
        case "user": return .user(name)
        default:
            throw RequestReader.Malformed(
                "'\(kind)' is none of queue, topic, exchange, group, policy, vhost, user and worker")
        }
    }

    /// Whether an answer is that of `stat`, to which the session adds who it is that answers.
    mutating func isStatistics(_ id: RequestID) -> Bool {
        id == .statistics || (!statisticsTags.isEmpty && statisticsTags.remove(id) != nil)
    }
}
