internal import ColaCore
internal import ColaTLS
internal import Logging

// What a server shows of itself to those who come through TLS.
extension Settings {
    /// These hold for new connections once they were read again.
    static let tlsFiles: Set<String> = ["tls-certificate", "tls-key", "tls-ca"]
}

extension TLSContext {
    /// Nothing here minds a certificate that has ended; clients do.
    func warnIfOver(at now: Timestamp, _ logger: Logger) {
        guard endsAt < now.rawValue / 1_000 else { return }
        logger.warning(
            "the certificate has expired and clients will refuse it; put a new one in its place and run `cola reload`",
            metadata: ["certificate": "\(subject)"])
    }
}
