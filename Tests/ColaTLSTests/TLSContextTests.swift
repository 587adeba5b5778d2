import ColaCore
import ColaTLS
import Foundation
import NIOSSL
import Testing

/// Files are read as they are meant, or refused with a sentence that names the file and the setting.
@Suite struct TLSContextTests {
    private func refusal(_ files: TLSFiles) -> TLSError? {
        do {
            _ = try TLSContext(files)
            return nil
        } catch {
            return error
        }
    }

    @Test func certificateAndKeyThatFitAreTaken() throws {
        let files = try TestCertificates()
        let context = try TLSContext(files.files(asksClients: true))
        #expect(context.subject == "CN=localhost,O=Cola tests")
        #expect(context.endsAt > 4_000_000_000)
        #expect(context.isSame(as: try TLSContext(files.files(asksClients: true))))
        #expect(!context.isSame(as: try TLSContext(files.files())))
        #expect(!context.isSame(as: try TLSContext(files.files("renewed", asksClients: true))))
    }

    @Test func aKeyOfAnotherCertificateIsRefused() throws {
        let files = try TestCertificates()
        let error = try #require(refusal(files.files(key: "client-key.pem")))
        #expect(error.kind == .wrong)
        #expect(error.description.contains("client-key.pem (tls-key) is not the key of"))
        #expect(error.description.contains("server.pem (tls-certificate)"))
    }

    @Test(arguments: [0o604, 0o644, 0o660, 0o601])
    func aKeyThatOthersCouldUseIsRefused(mode: Int) throws {
        let files = try TestCertificates()
        try files.setMode(mode, of: "server-key.pem")
        let error = try #require(refusal(files.files()))
        #expect(error.kind == .notPermitted)
        #expect(error.description.contains("mode \(String(mode, radix: 8))"))
        #expect(error.description.contains("chmod 600"))
    }

    @Test(arguments: [0o600, 0o400, 0o640])
    func aKeyForItsOwnerOrItsGroupIsTaken(mode: Int) throws {
        let files = try TestCertificates()
        try files.setMode(mode, of: "server-key.pem")
        #expect(refusal(files.files()) == nil)
    }

    @Test func aFileThatIsMissingIsNamed() throws {
        let files = try TestCertificates()
        let key = try #require(refusal(files.files(key: "nothing.pem")))
        #expect(key.kind == .wrong && key.description.contains("nothing.pem (tls-key): No such file"))
        let certificate = try #require(refusal(files.files("nothing")))
        #expect(certificate.description.contains("nothing.pem (tls-certificate): No such file"))
        var asking = files.files()
        asking.authorities = files.path("nothing.pem")
        #expect(refusal(asking)?.description.contains("nothing.pem (tls-ca): No such file") == true)
        asking.authorities = files.folder.path
        #expect(refusal(asking)?.description.contains("(tls-ca) is no file") == true)
    }

    @Test(arguments: ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    func whatIsNoCertificateAndNoKeyIsRefused(text: String) throws {
        let files = try TestCertificates()
        try files.write(text, to: "wrong.pem")
        var wrong = files.files()
        wrong.certificate = files.path("wrong.pem")
        #expect(refusal(wrong)?.description.contains("wrong.pem (tls-certificate) holds no certificate") == true)
        wrong = files.files()
        wrong.key = files.path("wrong.pem")
        #expect(refusal(wrong)?.description.contains("wrong.pem (tls-key) holds no private key") == true)
        wrong = files.files()
        wrong.authorities = files.path("wrong.pem")
        #expect(refusal(wrong)?.description.contains("wrong.pem (tls-ca) holds no certificate") == true)
    }

    @Test(arguments: ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"])
    func anEncryptedKeyIsRefused(head: String) throws {
        let files = try TestCertificates()
        try files.write(head, to: "wrong.pem")
        var wrong = files.files()
        wrong.key = files.path("wrong.pem")
        #expect(refusal(wrong)?.description.contains("is encrypted") == true)
    }

    @Test func aDamagedCertificateHasNoNameAndDoesNoHarm() throws {
        let files = try TestCertificates()
        let der = try files.certificate("client").toDERBytes()
        #expect(PeerCertificate(der: der)?.commonName == "Ana Äpfel ")
        for count in 0..<der.count { _ = PeerCertificate(der: Array(der[..<count])) }
        #expect(PeerCertificate(der: Array(der[..<(der.count / 2)])) == nil)
        for index in der.indices {
            for value in [0, 0x7F, 0x80, 0x84, 0xFF] as [UInt8] {
                var damaged = der
                damaged[index] = value
                _ = PeerCertificate(der: damaged)
            }
        }
    }
}
