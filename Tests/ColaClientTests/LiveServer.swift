import ColaClient
import ColaServer
import Foundation
import ServiceLifecycle

/// A broker of this process in a temporary folder, reached over its Unix socket; it can be stopped and started again.
actor LiveServer {
    nonisolated let folder: URL
    nonisolated var socket: URL { folder.appending(path: "c.sock") }
    nonisolated var url: ColaURL { ColaURL(.unix(path: socket.path(percentEncoded: false))) }
    private let extra: [String]
    private var running: Task<Void, any Error>?
    /// Where it listens on TCP, if it was told to.
    private(set) var tcp: ColaURL?

    private init(extra: [String]) {
        self.extra = extra
        folder = URL(filePath: "/tmp/cola-client-\(UUID().uuidString.prefix(8))")
    }

    /// Runs `body` with a server and takes everything away afterwards.
    static func run<Result: Sendable>(
        _ extra: [String] = ["--native", "off", "--amqp", "off"], _ body: (LiveServer) async throws -> Result
    ) async throws -> Result {
        let server = LiveServer(extra: extra)
        try FileManager.default.createDirectory(at: server.folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: server.folder) }
        do {
            try await server.start()
            let result = try await body(server)
            try await server.stop()
            return result
        } catch {
            try? await server.stop()
            throw error
        }
    }

    /// The same with a client.
    static func withClient<Result: Sendable>(
        _ options: ClientOptions = ClientOptions(), _ body: (Client) async throws -> Result
    ) async throws -> Result {
        try await run { try await ColaClient.withClient(url: $0.url, options: options, body) }
    }

    func start() async throws {
        let arguments =
            [
                "--data-dir", folder.appending(path: "data").path(percentEncoded: false),
                "--socket", socket.path(percentEncoded: false), "--log-level", "error", "--reserve", "0",
                "--disk-free-min", "0", "--memory-max", "0", "--kafka", "off",
            ] + extra
        let settings = try Settings(arguments: arguments, environment: [:]) { _ in nil }
        let (lines, said) = AsyncStream.makeStream(of: String.self)
        running = Task {
            defer { said.finish() }
            try await Server(settings: settings) { said.yield($0) }.run()
        }
        var iterator = lines.makeAsyncIterator()
        guard let line = await iterator.next() else {
            try await running?.value
            return
        }
        tcp = try line.split(separator: " ").first { $0.hasPrefix("native=") }
            .map { try ColaURL(String($0.dropFirst("native=".count))) }
    }

    func stop() async throws {
        running?.cancel()
        try await running?.value
        running = nil
    }
}
