import ColaClient

/// `cola queues`
enum QueueListing: Listing {
    static let what = Client.Listing.queues
    static let abstract = "List the queues."
    static let explanation =
        "READY wait for a consumer, UNACKED are handed out and not acknowledged. Topics are not among them."
    static let pattern = "orders*"
    static let names = ["name"]
    static let advice = "make one with `cola declare queue NAME`"
    static let columns: [ListingColumn] = [
        .text("QUEUE", "name"), .number("READY", "ready"), .number("UNACKED", "unacknowledged"),
        .number("MESSAGES", "messages"), .number("BYTES", "bytes"), .number("CONSUMERS", "consumers"),
    ]
}

/// `cola topics`
enum TopicListing: Listing {
    static let what = Client.Listing.topics
    static let abstract = "List the topics."
    static let explanation = "READERS are consumers, GROUPS are those that have committed a position or have members."
    static let pattern = "event*"
    static let names = ["name"]
    static let advice = "make one with `cola declare topic NAME`"
    static let columns: [ListingColumn] = [
        .text("TOPIC", "name"), .number("PARTITIONS", "partitions"), .number("MESSAGES", "messages"),
        .number("BYTES", "bytes"), .number("READERS", "readers"), .number("GROUPS", "groups"),
    ]
}

/// `cola exchanges`
enum ExchangeListing: Listing {
    static let what = Client.Listing.exchanges
    static let abstract = "List the exchanges."
    static let explanation = "ALTERNATE is the exchange that gets what no binding takes."
    static let pattern = "amq.*"
    static let names = ["name"]
    static let advice = "make one with `cola declare exchange NAME --type fanout`"
    static let columns: [ListingColumn] = [
        .text("EXCHANGE", "name"), .text("TYPE", "type"), .text("ALTERNATE", "alternate"),
    ]
}

/// `cola bindings`
enum BindingListing: Listing {
    static let what = Client.Listing.bindings
    static let abstract = "List the bindings: what exchanges lead to what."
    static let explanation = "A pattern is compared with the names of both ends."
    static let pattern = "news"
    static let names = ["source", "destination"]
    static let advice = "make one with `cola bind EXCHANGE QUEUE`"
    static let columns: [ListingColumn] = [
        .text("EXCHANGE", "source"), .text("KEY", "key"), .text("TO", "destination"), .text("KIND", "to"),
        .made("HEADERS") { row in
            guard case .object = row["headers"] else { return "-" }
            return "\(row["match"].cell): \(row["headers"].cell)"
        },
    ]
}

/// `cola groups`
enum GroupListing: Listing {
    static let what = Client.Listing.groups
    static let abstract = "List the consumer groups of the topics."
    static let explanation = """
        LAG is how many records a group has still to read, as far as it has said where it is. A pattern is compared \
        with the names of topic and group.
        """
    static let pattern = "audit"
    static let names = ["topic", "group"]
    static let advice = "one is made when a consumer joins it or commits an offset"
    static let columns: [ListingColumn] = [
        .text("TOPIC", "topic"), .text("GROUP", "group"), .number("MEMBERS", "members"),
        .text("STRATEGY", "strategy"), .number("GENERATION", "generation"), .number("LAG", "lag"),
    ]
}

/// `cola consumers`
enum ConsumerListing: Listing {
    static let what = Client.Listing.consumers
    static let abstract = "List the consumers of queues and the readers of topics."
    static let explanation = """
        LAG is how many records a reader has still to be sent. A pattern is compared with the name of the queue or \
        topic.
        """
    static let pattern = "orders*"
    static let names = ["queue"]
    static let advice = "begin one with `cola consume --queue NAME --follow`"
    static let columns: [ListingColumn] = [
        .text("QUEUE", "queue"), .number("CONNECTION", "connection"), .number("CONSUMER", "consumer"),
        .number("UNACKED", "unacknowledged"), .number("PREFETCH", "prefetch"), .number("PRIORITY", "priority"),
        .text("ACTIVE", "active"), .text("GROUP", "group"),
        .made("LAG", .right) { row in
            let partitions = row["partitions"].list
            return partitions.isEmpty ? "-" : "\(partitions.reduce(0) { $0 + ($1["lag"].integer ?? 0) })"
        },
    ]
}

/// `cola connections`
enum ConnectionListing: Listing {
    static let what = Client.Listing.connections
    static let abstract = "List the connections."
    static let explanation = "A pattern is compared with what a client calls itself, its user and its address."
    static let pattern = "cola"
    static let names = ["client", "user", "peer"]
    static let advice = "which cannot be: this command has one"
    static let columns: [ListingColumn] = [
        .number("CONNECTION", "connection"), .text("CLIENT", "client"), .text("USER", "user"), .text("PEER", "peer"),
        .text("VHOST", "vhost"), .text("PROTOCOL", "protocol"), .number("CONSUMERS", "consumers"),
        .number("UNACKED", "unacknowledged"),
        .made("SINCE") { row in row["since"].integer.map { UTCTime.text(milliseconds: $0) } ?? "-" },
    ]
}

/// `cola vhosts`
enum VirtualHostListing: Listing {
    static let what = Client.Listing.vhosts
    static let abstract = "List the virtual hosts."
    static let explanation = "Every command works in one of them: --vhost NAME or COLA_VHOST, else /."
    static let pattern = "*"
    static let names = ["name"]
    static let advice = "make one with `cola declare vhost NAME`"
    static let columns: [ListingColumn] = [
        .text("VHOST", "name"), .number("QUEUES", "queues"), .number("TOPICS", "topics"),
        .number("CONNECTIONS", "connections"),
    ]
}

/// `cola policies`
enum PolicyListing: Listing {
    static let what = Client.Listing.policies
    static let abstract = "List the policies: settings for every queue and topic whose name fits."
    static let explanation = "Of several that fit, the one with the highest PRIORITY counts alone."
    static let pattern = "short-*"
    static let names = ["name"]
    static let advice = "make one with `cola set policy NAME --pattern REGEX …`"
    static let columns: [ListingColumn] = [
        .text("POLICY", "name"), .text("PATTERN", "pattern"), .text("OF", "to"), .number("PRIORITY", "priority"),
        .text("SETTINGS", "arguments"),
    ]
}
