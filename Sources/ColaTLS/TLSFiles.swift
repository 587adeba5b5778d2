/// Where certificate and key of a server are. All are PEM.
package struct TLSFiles: Hashable, Sendable {
    /// The server's certificate, and behind it those that lead to its authority.
    package var certificate: String
    package var key: String
    /// The authorities of clients; nil: clients are not asked for certificates.
    package var authorities: String?

    package init(certificate: String, key: String, authorities: String?) {
        self.certificate = certificate
        self.key = key
        self.authorities = authorities
    }
}
