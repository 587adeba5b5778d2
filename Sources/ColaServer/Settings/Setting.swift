internal import ColaCore

/// One thing that can be set: as `--name VALUE`, as `COLA_NAME`, or as `name:` in `cola.yaml`.
///
/// The table ``all`` is the only place where a setting is described; parsing, `cola serve --help` and the reference
/// come from it.
package struct Setting: Sendable {
    package enum Kind: Sendable {
        case text
        case yesNo
        case choice([String])
        case number(ClosedRange<Int64>)
        /// A number with an optional K, M or G behind it (powers of 1024).
        case bytes(ClosedRange<Int64>)
        /// `HOST:PORT` or `off`.
        case listener
        /// A listener of a later version: `off` alone.
        case unbuiltListener
        /// An octal file mode.
        case mode
    }

    package var name: String
    package var kind: Kind
    /// As it would be written on the command line; nil: it has no value of its own.
    package var defaultValue: String?
    package var placeholder: String
    package var help: String

    /// Whether its value is nobody's to see.
    var isSecret: Bool { name == "default-pass" }

    /// Whether reading the configuration again is not enough.
    package var needsRestart: Bool { name != Settings.workersAsRoot && !Settings.tlsFiles.contains(name) }

    package var environmentName: String {
        "COLA_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }
}

extension Setting {
    package static let all: [Setting] = [
        Setting(
            name: "config", kind: .text, defaultValue: nil, placeholder: "FILE",
            help: "Read settings from this file; without it from ./cola.yaml, if there is one."),
        Setting(
            name: "data-dir", kind: .text, defaultValue: "./cola-data", placeholder: "DIR",
            help: "Where everything is stored. Made if missing."),
        Setting(
            name: "socket", kind: .text, defaultValue: nil, placeholder: "PATH|off",
            help: "The native protocol's Unix socket, at most 107 bytes. Default: cola.sock in the data directory."),
        Setting(
            name: "socket-mode", kind: .mode, defaultValue: "0660", placeholder: "MODE",
            help: "Who may use the Unix socket: its file mode. Only its own user can reach into the data directory: to "
                + "let others in, put the socket elsewhere as well."),
        Setting(
            name: "native", kind: .listener, defaultValue: "127.0.0.1:7672", placeholder: "HOST:PORT|off",
            help: "TCP for the native protocol; [::1]:7672 for IPv6. Port 0 picks a free one."),
        Setting(
            name: "amqp", kind: .listener, defaultValue: "localhost:5672", placeholder: "HOST:PORT|off",
            help: "TCP for AMQP 0-9-1, which clients of RabbitMQ speak. localhost is both 127.0.0.1 and [::1]."),
        Setting(
            name: "amqps", kind: .listener, defaultValue: "off", placeholder: "HOST:PORT|off",
            help: "The same through TLS 1.2 or later, with tls-certificate and tls-key; the usual port is 5671."),
        Setting(
            name: "tls-certificate", kind: .text, defaultValue: nil, placeholder: "FILE",
            help: "The server's certificate and those that lead to its authority, in PEM. `cola reload` and SIGHUP "
                + "read it, tls-key and tls-ca again: new connections get what is in them then."),
        Setting(
            name: "tls-key", kind: .text, defaultValue: nil, placeholder: "FILE",
            help: "The private key of tls-certificate, in PEM without a passphrase. Refused if others than its owner "
                + "and its group could read it."),
        Setting(
            name: "tls-ca", kind: .text, defaultValue: nil, placeholder: "FILE",
            help: "Authorities of clients, in PEM. Clients are then asked for a certificate; one that none of these "
                + "has signed is refused."),
        Setting(
            name: "tls-user", kind: .choice(PeerCertificate.Part.allCases.map(\.rawValue)),
            defaultValue: PeerCertificate.Part.distinguishedName.rawValue,
            placeholder: "distinguished-name|common-name",
            help: "What of its certificate is the name of a client's user, if it logs in by that (EXTERNAL): all of "
                + "it, CN=ana,O=Example, or ana."),
        Setting(
            name: "amqp-product", kind: .text, defaultValue: nil, placeholder: "NAME:VERSION",
            help: "What the server calls itself to them, where a client insists on RabbitMQ:3.13.7. Default: Cola."),
        Setting(
            name: "kafka", kind: .listener, defaultValue: "localhost:9092", placeholder: "HOST:PORT|off",
            help: "TCP for clients of Kafka. localhost is both 127.0.0.1 and [::1]."),
        Setting(
            name: "kafka-advertised", kind: .text, defaultValue: nil, placeholder: "HOST:PORT",
            help: "Where clients of Kafka are told to connect to. Default: to the address at which they did."),
        Setting(
            name: "kafka-partitions", kind: .number(1...1_000), defaultValue: "1", placeholder: "N",
            help: "How many partitions a topic gets that a client of Kafka makes without saying it."),
        Setting(
            name: "kafka-create-topics", kind: .yesNo, defaultValue: "yes", placeholder: "yes|no",
            help: "Make a topic when a client of Kafka asks for one that is not there."),
        Setting(
            name: "kafka-batch-max", kind: .bytes(1_024...67_108_864), defaultValue: "1048588", placeholder: "BYTES",
            help: "The largest batch of records that a producer of Kafka may send, compressed or not."),
        Setting(
            name: "http", kind: .unbuiltListener, defaultValue: "off", placeholder: "off",
            help: "HTTP API and web page; not in this version yet."),
        Setting(
            name: "default-user", kind: .text, defaultValue: nil, placeholder: "NAME",
            help:
                "The user who may come in over TCP, with default-pass, from anywhere. Without it: guest, from loopback."
        ),
        Setting(
            name: "default-pass", kind: .text, defaultValue: nil, placeholder: "PASSWORD",
            help: "That user's password. Better set as COLA_DEFAULT_PASS: other users can see command lines."),
        Setting(
            name: "durability", kind: .choice(["full", "relaxed"]), defaultValue: "full", placeholder: "full|relaxed",
            help: "relaxed does not wait for the disk: a power failure may lose what was confirmed."),
        Setting(
            name: "early-delivery", kind: .yesNo, defaultValue: "yes", placeholder: "yes|no",
            help: "Hand out a message that one queue gets before it is on the disk, and write it only if it is not "
                + "acknowledged at once. Its publisher is answered when it is on the disk or acknowledged."),
        Setting(
            name: "redeclare", kind: .choice(["strict", "adopt"]), defaultValue: "strict", placeholder: "strict|adopt",
            help:
                "When a queue or topic that is there is declared with other arguments: strict refuses it; adopt takes "
                + "those that are declared, and leaves the others as they are."),
        Setting(
            name: Settings.workersAsRoot, kind: .yesNo, defaultValue: "no", placeholder: "yes|no",
            help: "If the server runs as root: start workers that name no user, as root. Workers are defined under "
                + "workers: in the configuration file alone."),
        Setting(
            name: "worker-log-size", kind: .bytes(0...1_099_511_627_776), defaultValue: "16M", placeholder: "BYTES",
            help: "What a worker writes is kept in logs/WORKER.log of the data directory: so much of each worker, in "
                + "all its files together. 0: in memory alone."),
        Setting(
            name: "worker-log-files", kind: .number(1...100), defaultValue: "4", placeholder: "N",
            help: "In so many files: WORKER.log, and before it WORKER.log.1 and so on, which is the oldest."),
        Setting(
            name: "worker-log-memory", kind: .bytes(0...1_073_741_824), defaultValue: "256K", placeholder: "BYTES",
            help: "The last lines of each worker that are kept in memory as well, for those who follow them."),
        Setting(
            name: "accept-damage", kind: .yesNo, defaultValue: "no", placeholder: "yes|no",
            help: "Start on damaged data with what can be read, after a copy of it was made. The flag alone is yes."),
        Setting(
            name: "body-max", kind: .bytes(1...67_108_864), defaultValue: "16M", placeholder: "BYTES",
            help: "The largest message, and the largest result of a worker, at most 64M; of AMQP: amqp-body-max."),
        Setting(
            name: "amqp-body-max", kind: .bytes(1...536_870_912), defaultValue: "128M", placeholder: "BYTES",
            help: "The largest message over AMQP. RabbitMQ 3 takes as much, RabbitMQ 4 takes 16M."),
        Setting(
            name: "connections-max", kind: .number(1...1_000_000), defaultValue: "10000", placeholder: "N",
            help: "Connections at a time. Through the Unix socket the server's own user and root get three more."),
        Setting(
            name: "queues-max", kind: .number(1...10_000_000), defaultValue: "100000", placeholder: "N",
            help: "Queues and topics together."),
        Setting(
            name: "consumers-max", kind: .number(1...1_000_000), defaultValue: "16384", placeholder: "N",
            help: "Consumers on one connection, with AMQP on one channel."),
        Setting(
            name: "unacked-max", kind: .number(1...10_000_000), defaultValue: "65536", placeholder: "N",
            help: "Messages handed out on one connection (AMQP: channel) and not acknowledged; then no more are."),
        Setting(
            name: "cache", kind: .bytes(0...1_099_511_627_776), defaultValue: "64M", placeholder: "BYTES",
            help: "Stored messages kept in memory as well, over all queues."),
        Setting(
            name: "disk-free-min", kind: .bytes(0...1_125_899_906_842_624), defaultValue: "64M", placeholder: "BYTES",
            help: "With less free disk space publishers wait, and consumers go on. 0: no limit."),
        Setting(
            name: "memory-max", kind: .bytes(0...1_125_899_906_842_624), defaultValue: nil, placeholder: "BYTES",
            help:
                "With more memory in use publishers wait, and consumers go on. 0: no limit. Default: two fifths of "
                + "the machine's memory, or of its control group's limit."),
        Setting(
            name: "transient", kind: .bytes(0...1_099_511_627_776), defaultValue: "64M", placeholder: "BYTES",
            help: "Messages of queues that are not durable, kept in memory alone; what is more goes to the disk too."),
        Setting(
            name: "reserve", kind: .bytes(0...17_179_869_184), defaultValue: "40M", placeholder: "BYTES",
            help: "Disk space set aside, so that acknowledgements can be stored when the disk is full; "
                + "if it is not given and body-max is over 16M, twice that and 8M."),
        Setting(
            name: "log-format", kind: .choice(["text", "json"]), defaultValue: "text", placeholder: "text|json",
            help: "How log lines on stderr look."),
        Setting(
            name: "log-level", kind: .choice(["debug", "info", "warning", "error"]), defaultValue: "info",
            placeholder: "debug|info|warning|error", help: "The least important log line that is written."),
    ]

    static func named(_ name: String) -> Setting? { all.first { $0.name == name } }

    /// The text of `cola serve --help`.
    package static var help: String {
        var lines = [
            "OVERVIEW: Run the broker.", "",
            "Queues and topics are kept in the data directory. When connections are accepted, one line that begins",
            "with `cola ready` is printed, with every address. SIGTERM stops the server in order.", "",
            "USAGE: cola serve [--NAME VALUE]...", "",
            "Each setting can also be given as an environment variable (--data-dir: COLA_DATA_DIR) or as a line in",
            "cola.yaml (data-dir: /var/lib/cola). The command line goes before the environment, and the environment",
            "before the file. BYTES may end in K, M or G: 16M. Log lines go to standard error.", "",
            "SETTINGS:",
        ]
        for setting in all {
            let standard = setting.defaultValue.map { " (default: \($0))" } ?? ""
            lines.append("  --\(setting.name) \(setting.placeholder)")
            lines += wrapped(setting.help + standard, indent: 8, columns: 100)
        }
        lines += [
            "", "EXAMPLES:", "  cola serve",
            "  cola serve --native off --socket /run/cola/cola.sock --data-dir /var/lib/cola",
            "  COLA_DEFAULT_USER=ana COLA_DEFAULT_PASS=secret cola serve --native 0.0.0.0:7672",
            "  cola serve --native 127.0.0.1:0 --socket off", "",
            "EXIT CODES: 0 stopped in order, 64 wrong setting, 65 damaged or newer data, 69 cannot listen there,",
            "  70 the disk failed, 74 no room, 75 the data directory is in use, 77 not permitted,",
            "  78 a certificate or key that cannot be used, or workers that may not be run so",
        ]
        return lines.joined(separator: "\n")
    }

    private static func wrapped(_ text: String, indent: Int, columns: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = margin
        for word in text.split(separator: " ") {
            if line.count + word.count > columns, line != margin {
                lines.append(line)
                line = margin
            }
            line += line == margin ? word : " " + word
        }
        return lines + [line]
    }
}
