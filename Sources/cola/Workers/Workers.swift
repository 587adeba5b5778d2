import ArgumentParser

/// `cola workers`
struct Workers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, start, stop and scale the programs that the broker runs as consumers.",
        discussion: """
            Workers are defined under `workers:` in the broker's cola.yaml. Each has a number of processes, its \
            instances: `cola ps` shows them. Where a worker is named, WORKER/NUMBER names one of its instances.

              cola workers
              cola workers list --json
            """,
        subcommands: [
            ListingCommand<WorkerListing>.self, WorkerShow.self, WorkerControl<WorkerStart>.self,
            WorkerControl<WorkerStop>.self, WorkerControl<WorkerRestart>.self, WorkerScale.self,
            WorkerControl<WorkerPause>.self, WorkerControl<WorkerResume>.self, WorkerKill.self, WorkerNice.self,
            WorkerImport.self,
        ],
        defaultSubcommand: ListingCommand<WorkerListing>.self)
}
