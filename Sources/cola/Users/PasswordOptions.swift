import ArgumentParser
import ColaClient

/// Where a new password comes from: never from the command line, which everybody on the machine can see.
struct PasswordOptions: ParsableArguments {
    @Flag(name: .long, help: "Read the password from standard input, up to its first line feed, without asking.")
    var passwordStdin = false

    @Flag(name: .long, help: "Without a password: nobody comes in by it.")
    var noPassword = false

    func validate() throws {
        if passwordStdin, noPassword { throw ValidationError("--password-stdin and --no-password exclude each other") }
    }

    /// Asks where somebody can be asked.
    func read(for user: String) throws -> Client.UserSettings.Password {
        if noPassword { return .none }
        if passwordStdin {
            guard let line = readLine(), !line.isEmpty else {
                throw Failure(.usage, "there is no password on standard input, up to its first line feed")
            }
            return .plain(line)
        }
        guard Terminal.isStandardInput, Terminal.isStandardError else {
            throw Failure(.usage, "nobody is there to be asked for a password; add --password-stdin, or --no-password")
        }
        let first = try ask("Password for \(user): ")
        guard !first.isEmpty else { throw Failure(.usage, "an empty password lets nobody in; nothing was changed") }
        guard try ask("Once more: ") == first else {
            throw Failure(.usage, "the two are not the same; nothing was changed")
        }
        return .plain(first)
    }

    private func ask(_ question: String) throws -> String {
        var output = Output(descriptor: 2)
        output.append { $0.append(contentsOf: Output.printable(question).utf8) }
        try output.flush()
        let line = Terminal.withoutEcho { readLine() }
        output.append { $0.append(UInt8(ascii: "\n")) }
        try output.flush()
        return line ?? ""
    }
}
