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

    @Argument(help: ArgumentHelp("A directory, or a file if it ends in .db.", valueName: "path"), completion: .file())
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
                try await withProgress { try await client.backUp(to: path, isFile: isFile, replaces: force) }
            }
        } catch let error as ColaError where error.code.rawValue == "storage" {
            throw Failure(.inputOutput, error.message)
        }
        try Output.print("backed up \(bytes) bytes to \(path)")
    }

    /// Shows how far the copy is while `body` runs, on a terminal.
    ///
    /// The connection that has asked for it hears nothing before the copy is there, so another one looks.
    private func withProgress<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard Terminal.isStandardError else { return try await body() }
        let bar = ProgressBar()
        let drawing = Task { await bar.draw() }
        let connection = connection
        let looking = Task {
            try await connection.withBroker { client in
                while true {
                    let backup = try JSONValue(answer: try await client.stat())["backup"]
                    if let pages = backup["pages"].integer, let total = backup["total-pages"].integer {
                        bar.update(done: Int(pages), of: Int(total), "copied \(pages) of \(total) pages")
                    }
                    try await Task.sleep(for: .milliseconds(50))
                }
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
