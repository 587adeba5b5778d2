import ArgumentParser
import ColaServer
import Foundation

/// `cola serve`: runs the broker until SIGTERM.
///
/// Its options come from the table of settings (`Setting.all`), which the environment and the configuration file share;
/// so they are not declared here.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the broker.",
        discussion: "cola serve --help lists every setting, its environment variable and its default.")

    @Argument(parsing: .captureForPassthrough, help: ArgumentHelp("Settings: --NAME VALUE.", valueName: "setting"))
    var arguments: [String] = []

    func run() async throws {
        if arguments.contains("--help") || arguments.contains("-h") { return try Output.print(Setting.help) }
        if arguments.contains("--version") { return try Output.print(Server.version) }
        let environment = ProcessInfo.processInfo.environment
        let read = { @Sendable [arguments] in
            try Settings(arguments: arguments, environment: environment, read: Self.readIfPresent)
        }
        let settings: Settings
        do {
            settings = try read()
        } catch let wrong as Settings.Wrong {
            throw Failure(.usage, wrong.description)
        }
        let server = Server(settings: settings, environment: environment, read: read) { line in
            try? Output.print(line)
        }
        do {
            try await server.runUntilSignal()
        } catch let failure as Server.Failure {
            throw Failure(Failure.Kind(rawValue: failure.exitCode) ?? .internalError, failure.description)
        }
    }

    static func readIfPresent(_ path: String) throws -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw Settings.Wrong(description: "cannot read settings from \(path): \(error.localizedDescription)")
        }
    }
}
