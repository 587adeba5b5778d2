import ArgumentParser
import ColaClient

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `cola backup`
struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy everything that a running broker stores.",
        discussion: """
            The broker itself writes the copy, while it goes on: everything that was confirmed before is in it, and \
            it is on the disk when the command ends. A path that ends in .db becomes a file, any other a directory \
            that a broker starts on.

              cola backup monday
              cola backup --force latest.db

            To restore, start `cola serve --data-dir` on a directory, or on one of your own with the file in it as \
            cola.db; `cola check` looks through it first.

            Messages that were with consumers at that moment are delivered again, with r=. Only the broker's own user \
            (and root) may do this, over its Unix socket. One that is interrupted or fails leaves nothing behind.

            Exit code 1 if the copy cannot go there, 74 if there is no room for it, 75 if another one is under way.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Flag(name: .long, help: "Replace the backup that is there.")
    var force = false

    @Argument(help: ArgumentHelp("A directory, or a file if it ends in .db.", valueName: "path"))
    var path: String

    func validate() throws {
        guard !path.isEmpty else { throw ValidationError("name the directory or file that the backup goes to") }
    }

    func run() async throws {
        let path = path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
        let isFile = path.hasSuffix(".db")
        let bytes: Int
        do {
            bytes = try await connection.withBroker { client in
                try await withProgress(of: isFile ? "\(path).partial" : "\(path)/cola.db.partial") {
                    try await client.backUp(to: path, isFile: isFile, replaces: force)
                }
            }
        } catch let error as ColaError where error.code.rawValue == "storage" {
            throw Failure(.inputOutput, error.message)
        }
        try Output.print("backed up \(bytes) bytes to \(path)")
    }

    /// Shows how large the file has become while `body` runs.
    private func withProgress<Result: Sendable>(
        of file: String, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let bar = ProgressBar()
        let drawing = Task { await bar.draw() }
        let looking = Task {
            while (try? await Task.sleep(for: .milliseconds(100))) != nil, Terminal.isStandardError {
                let bytes = fileBytes(file)
                bar.update(done: bytes, of: nil, "copied \(decimal(Double(bytes) / 1_048_576, 1)) MiB")
            }
        }
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        looking.cancel()
        drawing.cancel()
        await drawing.value
        return try result.get()
    }
}
