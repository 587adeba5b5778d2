package import ColaCore
package import NIOCore
internal import Synchronization

/// The certificate that new connections get: it can be another one while the server runs.
///
/// Connections that are there keep what they began with.
package final class TLSCertificates: Sendable {
    /// A connection costs some memory before anybody has logged in: with so many handshakes under way the next one is
    /// refused.
    private static let handshakesMax = 1_000

    private let context: Mutex<TLSContext>
    private let handshakes = Atomic(0)

    package init(_ context: TLSContext) {
        self.context = Mutex(context)
    }

    package var current: TLSContext {
        get { context.withLock { $0 } }
        set { context.withLock { $0 = newValue } }
    }

    /// Makes a new connection a secure one. It is called on the channel's loop.
    ///
    /// - Parameters:
    ///   - begin: the handshake is done: adds the handlers that speak through the connection, and gets the verified
    ///     certificate of the client, if that has shown one.
    ///   - failed: the handshake was not done, for this reason, and the connection is closed.
    package func secure(
        _ channel: any Channel, begin: @escaping (PeerCertificate?) throws -> Void,
        failed: @escaping (String) -> Void
    ) throws {
        guard handshakes.add(1, ordering: .relaxed).newValue <= Self.handshakesMax else {
            handshakes.subtract(1, ordering: .relaxed)
            return channel.close(promise: nil)
        }
        let first = current.handler()
        let handshake = TLSHandshake(behind: first, begin: begin) { [self] error in
            handshakes.subtract(1, ordering: .relaxed)
            if let error { failed(Self.reason(error)) }
        }
        try channel.pipeline.syncOperations.addHandlers([first, handshake])
    }

    /// What BoringSSL says without its numbers and the places in its sources: `unsupported protocol`.
    private static func reason(_ error: any Error) -> String {
        let text = "\(error)"
        guard let start = text.firstRange(of: "OPENSSL_internal:")?.upperBound else {
            return error is ChannelError || text.contains("EOF") ? "the client went away" : text
        }
        let words = text[start...].prefix { $0 != " " && $0 != "]" }
        return words.replacing("_", with: " ").lowercased()
    }
}
