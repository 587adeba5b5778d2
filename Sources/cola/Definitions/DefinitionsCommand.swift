import ArgumentParser
import ColaClient

/// `cola definitions`
struct Definitions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write users, virtual hosts, queues and the like to a file, or take them from one.",
        discussion: """
            The file is in RabbitMQ's format, so that definitions can be taken over from there:

              rabbitmqctl export_definitions definitions.json
              cola definitions import definitions.json

            Messages are not in it; `cola backup` and `cola export` are for them.
            """,
        subcommands: [DefinitionsExport.self, DefinitionsImport.self])
}
