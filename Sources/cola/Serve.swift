import ArgumentParser
import ColaServer

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

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
        if arguments.contains("--version") { return try Output.print(BuildFacts.text) }
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
        let bytes: [UInt8]
        do {
            bytes = try FileContents.read(path)
        } catch {
            if error.isMissing { return nil }
            throw Settings.Wrong(
                description: "cannot read settings from \(path): \(error.reason); make it a file that "
                    + "the server's user may read")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Settings.Wrong(description: "cannot read settings from \(path): it is not UTF-8; save it as UTF-8")
        }
        return text
    }
}
