import ArgumentParser
import ColaWorkers
import NIOCore

/// `cola workers import`
struct WorkerImport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Print the processes of a Procfile as workers for cola.yaml.",
        discussion: """
              cola workers import Procfile > cola.yaml
              cola reload

            Each line `NAME: COMMAND` becomes a worker of mode client: a process that the broker starts, watches and \
            starts again, and that finds COLA_URL in its environment. Nothing is asked of a broker. What is wrong in \
            the file is an error (exit code 65), and nothing is printed then.
            """)

    @Argument(help: ArgumentHelp("The file, or - for standard input.", valueName: "procfile"), completion: .file())
    var path: String

    func run() throws {
        // Larger ones are no Procfile.
        var source = MessageSource(.files([path]), cut: .none, messageBytesMax: 1 << 20)
        guard let text = String(validating: try source.next()?.readableBytesView ?? ByteBufferView(), as: UTF8.self)
        else { throw Failure(.badData, "\(path) is not text: it has bytes that are no UTF-8") }
        let procfile: Procfile
        do throws(DefinitionErrors) {
            procfile = try Procfile(text)
        } catch {
            throw Failure(.badData, "\(path): " + error.errors.map(\.description).joined(separator: "; "))
        }
        var output = Output.standard()
        output.append { $0 += procfile.yaml.utf8 }
        try output.flush()
    }
}
