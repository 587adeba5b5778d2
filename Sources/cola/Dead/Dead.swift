import ArgumentParser

/// `cola dead`
struct Dead: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find dead letters, see why they died, and bring them back.",
        discussion: """
            A message is a dead letter when it was rejected, expired, was dropped for length or failed too often, and \
            its queue says where those go; what is over its delivery limit without that is parked in \
            cola.parked.QUEUE.

              cola dead list
              cola dead show tasks.dead
              cola dead redrive tasks.dead --yes
            """,
        subcommands: [DeadList.self, DeadShow.self, DeadRedrive.self])
}
