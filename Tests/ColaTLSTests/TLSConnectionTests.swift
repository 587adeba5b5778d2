import ColaCore
import ColaTLS
import NIOCore
import NIOPosix
import NIOSSL
import Testing

/// What a client gets to see, and what the server gets to see of it.
@Suite(.timeLimit(.minutes(5))) struct TLSConnectionTests {
    private static let ana = PeerCertificate(
        subject: ##"CN=Ana Äpfel\ ,EMAILADDRESS=ana@example.com,OU=\#1+UID=7,O=Cola\, Inc. \"tests\",DC=example,C=DE"##,
        commonName: "Ana Äpfel ")

    @Test(arguments: [TLSVersion.tlsv12, .tlsv13])
    func aClientIsServedInEachVersion(version: TLSVersion) async throws {
        let files = try TestCertificates()
        let server = try await EchoServer(TLSCertificates(try TLSContext(files.files())))
        var configuration = try files.client()
        configuration.minimumTLSVersion = version
        configuration.maximumTLSVersion = version
        let shown = try await server.connect(configuration).talk()
        #expect(shown.certificate == (try files.certificate("server")))
        #expect(shown.version == version)
        var seen = server.seen.makeAsyncIterator()
        #expect(await seen.next() == .client(nil))
        try await server.stop()
    }

    @Test func anOlderVersionIsRefused() async throws {
        let files = try TestCertificates()
        let server = try await EchoServer(TLSCertificates(try TLSContext(files.files())))
        var configuration = try files.client()
        configuration.minimumTLSVersion = .tlsv1
        configuration.maximumTLSVersion = .tlsv11
        await #expect(throws: (any Error).self) { try await server.connect(configuration).talk() }
        var seen = server.seen.makeAsyncIterator()
        #expect(await seen.next() == .failure("unsupported protocol"))
        try await server.stop()
    }

    @Test func whoSpeaksWithoutTLSIsRefused() async throws {
        let files = try TestCertificates()
        let server = try await EchoServer(TLSCertificates(try TLSContext(files.files())))
        // On the event loop: a test that has to wait for its thread may find that the time for the handshake is over.
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(to: server.channel.localAddress!)
            .flatMap { channel in
                channel.writeAndFlush(ByteBuffer(bytes: Array("AMQP".utf8) + [0, 0, 9, 1])).map { channel }
            }.get()
        var seen = server.seen.makeAsyncIterator()
        #expect(await seen.next() == .failure("wrong version number"))
        try await channel.closeFuture.get()
        try await server.stop()
    }

    @Test(arguments: [TLSVersion.tlsv12, .tlsv13])
    func aClientsCertificateSaysWhoItIs(version: TLSVersion) async throws {
        let files = try TestCertificates()
        let server = try await EchoServer(TLSCertificates(try TLSContext(files.files(asksClients: true))))
        var configuration = try files.client(as: "client")
        configuration.maximumTLSVersion = version
        _ = try await server.connect(configuration).talk()
        configuration = try files.client()
        configuration.maximumTLSVersion = version
        _ = try await server.connect(configuration).talk()
        var seen = server.seen.makeAsyncIterator()
        #expect(await seen.next() == .client(Self.ana))
        #expect(await seen.next() == .client(nil))
        try await server.stop()
    }

    @Test func aCertificateOfAStrangerIsRefused() async throws {
        let files = try TestCertificates()
        let server = try await EchoServer(TLSCertificates(try TLSContext(files.files(asksClients: true))))
        await #expect(throws: (any Error).self) {
            try await server.connect(try files.client(as: "stranger-client")).talk()
        }
        var seen = server.seen.makeAsyncIterator()
        #expect(await seen.next() == .failure("certificate verify failed"))
        try await server.stop()
    }

    @Test func whereClientsAreNotAskedTheirCertificatesSayNothing() async throws {
        let files = try TestCertificates()
        let server = try await EchoServer(TLSCertificates(try TLSContext(files.files())))
        _ = try await server.connect(try files.client(as: "stranger-client")).talk()
        var seen = server.seen.makeAsyncIterator()
        #expect(await seen.next() == .client(nil))
        try await server.stop()
    }

    @Test func newConnectionsGetTheNewCertificateAndOldOnesGoOn() async throws {
        let files = try TestCertificates()
        let certificates = TLSCertificates(try TLSContext(files.files()))
        let renewed = try TLSContext(files.files("renewed"))
        let server = try await EchoServer(certificates)
        let old = try await server.connect(try files.client()).talk(rounds: 2) { certificates.current = renewed }
        #expect(old.certificate == (try files.certificate("server")))
        let new = try await server.connect(try files.client()).talk()
        #expect(new.certificate == (try files.certificate("renewed")))
        try await server.stop()
    }
}
