internal import ColaNative

/// What a server says about itself when a client connects.
public struct ServerInformation: Hashable, Sendable {
    /// `Cola/` and its version.
    public var server: String
    /// Who this connection is to the server.
    public var user: String
    /// Whether this connection may do what only administrators may.
    public var isAdministrator: Bool
    /// Bytes that a message's body may have.
    public var bodyBytesMax: Int?
    /// What it can do beyond the core of the protocol's version, sorted.
    public var features: [String]

    init(_ answer: ServerLine.Answer) {
        server = answer.text("server") ?? ""
        user = answer.text("user") ?? ""
        isAdministrator = answer.text("admin") == "yes"
        bodyBytesMax = answer.number("body").flatMap { Int(exactly: $0) }
        features = (answer.text("features") ?? "").split(separator: ",").map(String.init)
    }
}
