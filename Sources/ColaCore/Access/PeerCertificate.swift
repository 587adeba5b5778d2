/// Whom a client's certificate was made out to, by an authority that the server trusts.
package struct PeerCertificate: Hashable, Sendable {
    /// `CN=ana,OU=Orders,O=Example`: the whole name, the most special part first (RFC 4514).
    package var subject: String
    /// `ana`; nil if there is none in it.
    package var commonName: String?

    /// What a user is named by.
    package enum Part: String, CaseIterable, Sendable {
        case distinguishedName = "distinguished-name"
        case commonName = "common-name"
    }

    package func name(by part: Part) -> String? {
        switch part {
        case .distinguishedName: subject.isEmpty ? nil : subject
        case .commonName: commonName
        }
    }

    package init(subject: String, commonName: String?) {
        self.subject = subject
        self.commonName = commonName
    }
}
