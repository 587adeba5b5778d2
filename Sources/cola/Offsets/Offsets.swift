import ArgumentParser

/// `cola offsets`
struct Offsets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or reset where a consumer group of a topic reads on.",
        discussion: """
              cola offsets show events audit
              cola offsets reset events audit --to first --yes
            """,
        subcommands: [OffsetsShow.self, OffsetsReset.self])
}
