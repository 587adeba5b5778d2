/// Asks before something is done that cannot be taken back.
enum Confirmation {
    /// Returns if the answer is yes.
    /// - Throws: ``Failure`` if it is no, or if nobody is there to be asked.
    static func ask(_ question: String, yes: Bool) throws {
        if yes { return }
        guard Terminal.isStandardInput, Terminal.isStandardError else {
            throw Failure(.usage, "\(question) Nobody is there to be asked; add --yes if that is meant")
        }
        var output = Output(descriptor: 2)
        output.append { $0.append(contentsOf: "\(Output.printable(question)) [y/N] ".utf8) }
        try output.flush()
        let answer = readLine()?.lowercased()
        guard answer == "y" || answer == "yes" else { throw Failure(.refused, "not confirmed; nothing was changed") }
    }
}
