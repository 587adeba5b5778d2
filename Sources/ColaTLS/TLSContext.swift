internal import ColaCore
internal import NIOCore
internal import NIOSSL

/// A server's certificate and key, read and found to fit, ready for connections: TLS 1.2 or later.
package struct TLSContext: Sendable {
    private let context: NIOSSLContext
    /// Whom its certificate was made out to.
    package let subject: String
    /// When its certificate ends. Seconds since 1970.
    package let endsAt: Int64
    /// All that was read, to see whether it has changed.
    private let contents: [[UInt8]]

    /// - Throws: ``TLSError`` with the file and what is wrong with it.
    package init(_ files: TLSFiles) throws(TLSError) {
        let chain = try SecretFile.read(files.certificate, setting: "tls-certificate", isSecret: false)
        let key = try SecretFile.read(files.key, setting: "tls-key", isSecret: true)
        let certificates = try Self.certificates(chain, files.certificate, "tls-certificate")
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) },
            privateKey: .privateKey(try Self.key(key, files.key)))
        configuration.minimumTLSVersion = .tlsv12
        var contents = [chain, key]
        if let path = files.authorities {
            let authorities = try SecretFile.read(path, setting: "tls-ca", isSecret: false)
            configuration.trustRoots = .certificates(try Self.certificates(authorities, path, "tls-ca"))
            // Who shows none may still log in with a name and a password.
            configuration.certificateVerification = .optionalVerification
            contents.append(authorities)
        }
        self.contents = contents
        subject = (try? certificates[0].toDERBytes()).flatMap(PeerCertificate.init(der:))?.subject ?? "?"
        endsAt = Int64(certificates[0].notValidAfter)
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSError(
                kind: .wrong,
                description:
                    "\(files.key) (tls-key) is not the key of the first certificate in \(files.certificate) "
                    + "(tls-certificate); give the two that belong together")
        }
    }

    package func isSame(as other: TLSContext) -> Bool { contents == other.contents }

    /// The handler that is to be the first of a connection.
    func handler() -> any ChannelHandler & RemovableChannelHandler & TLSPeer { NIOSSLServerHandler(context: context) }

    private static func certificates(
        _ bytes: [UInt8], _ path: String, _ setting: String
    ) throws(TLSError) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw TLSError(
                kind: .wrong,
                description: "\(path) (\(setting)) holds no certificate that can be read; it must be PEM, with lines "
                    + "of -----BEGIN CERTIFICATE-----")
        }
        return certificates
    }

    private static func key(_ bytes: [UInt8], _ path: String) throws(TLSError) -> NIOSSLPrivateKey {
        let text = String(decoding: bytes, as: UTF8.self)
        guard !text.contains("ENCRYPTED") else {
            throw TLSError(
                kind: .wrong,
                description: "\(path) (tls-key) is encrypted, and nobody is there to type its passphrase; write it "
                    + "without one: openssl pkey -in FILE -out FILE")
        }
        // A passphrase would be asked for on the terminal.
        let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) { setter in setter([UInt8]()) }
        guard let key else {
            throw TLSError(
                kind: .wrong,
                description: "\(path) (tls-key) holds no private key that can be read; it must be PEM, with a line of "
                    + "-----BEGIN PRIVATE KEY----- or the like")
        }
        return key
    }
}

/// What a connection's first handler knows of the other end.
protocol TLSPeer {
    /// Nil: it has shown no certificate.
    var certificate: PeerCertificate? { get }
}

extension NIOSSLServerHandler: TLSPeer {
    var certificate: PeerCertificate? {
        guard let bytes = try? peerCertificate?.toDERBytes() else { return nil }
        return PeerCertificate(der: bytes)
    }
}
