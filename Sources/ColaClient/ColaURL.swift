#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Where a server listens: `unix:///path/cola.sock` or `tcp://host:port`.
public struct ColaURL: Hashable, Sendable, CustomStringConvertible {
    /// The two kinds of address.
    public enum Address: Hashable, Sendable {
        case unix(path: String)
        case tcp(host: String, port: Int)
    }

    /// The text is not a URL of Cola. `description` says what is wrong and what one looks like.
    public struct Malformed: Error, Hashable, Sendable, CustomStringConvertible {
        /// One line for people; a password that stands in the text is left out.
        public let description: String
    }

    /// Where to connect.
    public var address: Address

    /// The port of `tcp://host` without one.
    public static let defaultPort = 7672

    /// Where `cola serve` listens if it is told nothing else.
    public static let `default` = ColaURL(.unix(path: "./cola-data/cola.sock"))

    /// What the environment says (`COLA_URL`), else ``default``.
    static var environment: ColaURL {
        get throws(Malformed) {
            let text = getenv("COLA_URL").map { String(cString: $0) } ?? ""
            return text.isEmpty ? .default : try ColaURL(text)
        }
    }

    /// A URL for the address.
    public init(_ address: Address) { self.address = address }

    /// Reads `unix:///path`, `tcp://host:port`, `tcp://host` or `tcp://[::1]:port`. A path may be relative:
    /// `unix:cola.sock`.
    public init(_ text: String) throws(Malformed) {
        if text.hasPrefix("unix:") {
            var path = text.dropFirst("unix:".count)
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            guard !path.isEmpty, !path.utf8.contains(0) else { throw Self.malformed(text, "it has no path") }
            // The kernel's sockaddr_un has room for 108 bytes with the NUL.
            guard path.utf8.count <= 107 else {
                throw Self.malformed(text, "its path has \(path.utf8.count) bytes, and a socket's may have 107")
            }
            address = .unix(path: String(path))
            return
        }
        guard text.hasPrefix("tcp://") else { throw Self.malformed(text, "it begins with neither unix: nor tcp://") }
        var rest = text.dropFirst("tcp://".count)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard !rest.contains("@") else {
            throw Self.malformed(text, "user and password do not belong in it; use --user and COLA_PASSWORD")
        }
        let (host, port) = Self.split(rest)
        guard let host, !host.isEmpty, !host.contains("/") else { throw Self.malformed(text, "it has no host") }
        guard let port, (1...65_535).contains(port) else { throw Self.malformed(text, "its port is not in 1 to 65535") }
        address = .tcp(host: String(host), port: port)
    }

    /// As it is written, so that it can be given to `--url`.
    public var description: String {
        switch address {
        case .unix(let path): path.hasPrefix("/") ? "unix://\(path)" : "unix:\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        }
    }

    private static func split(_ text: Substring) -> (host: Substring?, port: Int?) {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return (nil, nil) }
            let host = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            if rest.isEmpty { return (host, defaultPort) }
            return (host, rest.hasPrefix(":") ? Int(rest.dropFirst()) : nil)
        }
        guard let colon = text.firstIndex(of: ":") else { return (text, defaultPort) }
        return (text[..<colon], Int(text[text.index(after: colon)...]))
    }

    private static func malformed(_ text: String, _ reason: String) -> Malformed {
        // Whoever wrote a password into it will not want to see it in a log.
        let shown = text.lastIndex(of: "@").map { "tcp://…\(text[$0...])" } ?? text
        return Malformed(
            description: "'\(shown)' is not the URL of a server: \(reason); "
                + "write unix:///path/cola.sock or tcp://host:\(defaultPort)")
    }
}
