import ArgumentParser
import ColaClient
import ColaStore

/// Any error as one line for a person, and the exit code for a script.
///
/// Source: sysexits.h; design of the command line
struct Failure: Error {
    /// The exit codes, by what whoever runs the command can do about it.
    enum Kind: Int32 {
        case refused = 1
        case usage = 64
        case badData = 65
        case noInput = 66
        case unavailable = 69
        case internalError = 70
        case inputOutput = 74
        case tryAgain = 75
        case notPermitted = 77
        case badConfiguration = 78
    }

    let kind: Kind
    let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    init(_ error: ColaError) {
        switch error.code {
        case .unreachable:
            let start = error.message.hasSuffix(": no such host") ? "" : "start one with `cola serve`, or "
            self.init(.unavailable, error.message + "; \(start)name another with --url or COLA_URL")
        case .connectionLost:
            self.init(.tryAgain, error.message + "; try again when `cola health` says that it serves")
        case .unauthenticated:
            self.init(.notPermitted, error.message + "; give a name with --user and its password with COLA_PASSWORD")
        case .syntax, .lineTooLong: self.init(.usage, error.message)
        case .accessRefused: self.init(.notPermitted, error.message)
        case .protocolViolation: self.init(.internalError, error.message)
        default: self.init(error.isRetryable ? .tryAgain : .refused, error.message)
        }
    }

    /// Ends the process the way the error asks for. Help and version are not failures.
    static func exit(with error: any Error) -> Never {
        switch error {
        case is Output.BrokenPipe: exitProcess(0)
        case let error as Failure: end(error)
        case let error as ColaError: end(Failure(error))
        case let error as ColaURL.Malformed: end(Failure(.usage, error.description))
        case let error as StoreError:
            Output.note(error.description)
            exitProcess(error.exitCode)
        case let error as Output.Failed: end(Failure(.inputOutput, error.description))
        default: break
        }
        if Cola.exitCode(for: error) == .validationFailure {
            // The parser knows which command it was; its own text runs over several lines.
            let usage = Cola.fullMessage(for: error).split(separator: "\n").last { $0.contains("--help' for more") }
            let command = usage?.split(separator: "'", omittingEmptySubsequences: false).dropFirst().first
            let hint = command.map { "; see `\($0)`" } ?? ""
            end(Failure(.usage, oneLine(Cola.message(for: error)) + hint))
        }
        if Cola.exitCode(for: error) == .success { endWell(saying: Cola.fullMessage(for: error)) }
        if error is ExitCode { Cola.exit(withError: error) }
        end(Failure(.internalError, "\(error)"))
    }

    /// The parser's complaint without its line feeds and bullets, and with what it leaves out: that `-1` is an option
    /// to it, and no value.
    private static func oneLine(_ text: String) -> String {
        let lines = text.split(separator: "\n").map { line in line.drop { $0 == " " } }
        let values = lines.filter { $0.hasPrefix("- ") }.map { $0.dropFirst(2) }
        var sentence = lines.filter { !$0.hasPrefix("- ") }.joined(separator: " ")
        if !values.isEmpty { sentence += " " + values.joined(separator: ", ") }
        while sentence.last == "." { sentence.removeLast() }
        guard sentence.hasPrefix("Missing value for") else { return sentence }
        return sentence + "; one that begins with - is written behind a =, as in --name=-1"
    }

    /// Help and version. The parser would take no notice of an output that is full.
    private static func endWell(saying text: String) -> Never {
        do {
            try Output.print(text)
        } catch let error as Output.Failed {
            end(Failure(.inputOutput, error.description))
        } catch {
            // Whoever read it has seen enough.
        }
        exitProcess(0)
    }

    private static func end(_ failure: Failure) -> Never {
        Output.note(failure.message)
        exitProcess(failure.kind.rawValue)
    }
}
