import ColaTLS
import Foundation
import NIOSSL

/// The certificates of `scripts/test-certificates.sh`, copied to a folder of its own with the modes that they should
/// have: a checkout knows none.
struct TestCertificates: ~Copyable {
    let folder: URL

    private static let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Certificates")

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "cola-tls-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: Self.source, to: folder)
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            try setMode(name.contains("-key") ? 0o600 : 0o644, of: name)
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    func setMode(_ mode: Int, of name: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
        try setMode(0o600, of: name)
    }

    /// Those of a server.
    func files(_ name: String = "server", key: String? = nil, asksClients: Bool = false) -> TLSFiles {
        TLSFiles(
            certificate: path("\(name).pem"), key: path(key ?? "\(name)-key.pem"),
            authorities: asksClients ? path("authority.pem") : nil)
    }

    func certificate(_ name: String) throws -> NIOSSLCertificate {
        try NIOSSLCertificate.fromPEMFile(path("\(name).pem"))[0]
    }

    /// A client's configuration that trusts the authority.
    func client(as name: String? = nil) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates([try certificate("authority")])
        if let name {
            configuration.certificateChain = [.certificate(try certificate(name))]
            configuration.privateKey = .privateKey(
                try NIOSSLPrivateKey(file: path("\(name)-key.pem"), format: .pem))
        }
        return configuration
    }
}
