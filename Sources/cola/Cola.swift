import ArgumentParser
import ColaCore
import ColaServer

/// `cola`: the broker and everything that talks to it, in one executable.
///
/// Results go to standard output, everything else to standard error; an error is one line that says what to do next,
/// and the exit code says what kind it was (``Failure``).
struct Cola: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cola",
        abstract: "A message broker in one small process.",
        discussion: """
            Start a broker, make a queue, publish and consume:

              cola serve &
              cola declare queue hello
              cola publish --queue hello 'first message' 'second message'
              cola consume --queue hello

            Commands reach the broker at --url or COLA_URL, else through ./cola-data/cola.sock. Completion of commands \
            and options for bash, zsh and fish:

              cola --generate-completion-script bash > cola.bash

            Exit codes: 0 done, 1 refused by the broker, 64 wrong usage, 65 damaged or newer data, 66 no such input, \
            69 no broker reached, 70 a bug or a failed disk, 74 no room, or the output took no more, \
            75 in use, or may succeed if tried again, 77 not permitted, 78 a configuration that cannot be used.
            """,
        version: BuildFacts.text,
        subcommands: [Serve.self, Health.self, Reference.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Messages",
                subcommands: [
                    Publish.self, Consume.self, Get.self, Peek.self, Tail.self, Export.self, Import.self,
                ]),
            CommandGroup(
                name: "Queues, topics, exchanges",
                subcommands: [
                    Declare.self, SetCommand.self, Delete.self, Purge.self, Bind.self, Unbind.self, Dead.self,
                    Offsets.self,
                ]),
            CommandGroup(name: "Workers", subcommands: [Run.self, Ps.self, Logs.self, Workers.self, Reload.self]),
            CommandGroup(
                name: "Looking inside",
                subcommands: [
                    Top.self, Why.self, Describe.self, ListingCommand<QueueListing>.self,
                    ListingCommand<TopicListing>.self, ListingCommand<ExchangeListing>.self,
                    ListingCommand<BindingListing>.self, ListingCommand<GroupListing>.self,
                    ListingCommand<ConsumerListing>.self, ListingCommand<ConnectionListing>.self,
                    ListingCommand<PolicyListing>.self,
                ]),
            CommandGroup(
                name: "Users and virtual hosts",
                subcommands: [Users.self, Permissions.self, VirtualHosts.self, Definitions.self]),
            CommandGroup(name: "Operation", subcommands: [Check.self, Backup.self, SQL.self, Bench.self]),
        ])

    static func main() async {
        do {
            try checkText()
            let arguments = CommandLine.arguments.dropFirst()
            // Its options are not declared, so the parser has no help for it.
            if arguments.elementsEqual(["help", "serve"]) { return try Output.print(Setting.help) }
            try checkCommand(arguments)
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Failure.exit(with: error)
        }
    }

    /// Swift puts U+FFFD in the place of what is not UTF-8: another queue than was named, another body than was given.
    private static func checkText() throws {
        guard let number = firstArgumentThatIsNotUTF8() else { return }
        throw Failure(
            .usage,
            "argument \(number) is not UTF-8; names are, and bodies of any bytes go through `cola publish --file` "
                + "or standard input")
    }

    /// The parser takes a misspelt command for an argument too many.
    private static func checkCommand(_ words: ArraySlice<String>) throws {
        var words = words
        var parent: any ParsableCommand.Type = Cola.self
        var path = "cola"
        while !parent.configuration.subcommands.isEmpty, let word = words.popFirst() {
            let known = parent.configuration.subcommands
            let names = known.map(name) + ["help"]
            guard !word.hasPrefix("-"), !word.isEmpty, word != "help" else { return }
            guard let found = known.first(where: { name($0) == word }) else {
                // A list takes a pattern, and may be what is meant where no command is named.
                if parent.configuration.defaultSubcommand != nil, Spelling.nearest(to: word, among: names) == nil {
                    return
                }
                let near = Spelling.nearest(to: word, among: names).map { "; did you mean `\(path) \($0)`?" } ?? ";"
                throw Failure(.usage, "there is no command '\(word)'\(near) see `\(path) --help`")
            }
            parent = found
            path += " " + word
        }
    }

    private static func name(_ command: any ParsableCommand.Type) -> String {
        command.configuration.commandName ?? "\(command)".lowercased()
    }
}
