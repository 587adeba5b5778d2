import ColaWorkers

/// `cola keeper`: what stands between the broker and its workers, as ``ColaWorkers/Keeper`` describes it. The broker
/// starts it; it is no command for people, so no help shows it.
enum Keeping {
    static let commandName = "keeper"

    /// Where the broker has put the link.
    private static let link: Int32 = 3

    static func run() -> Never {
        do {
            let keeper = try Keeper(link: link)
            if let flaw = keeper.run() { Failure.exit(with: Failure(.internalError, flaw)) }
            exitProcess(0)
        } catch {
            Failure.exit(with: Failure(.usage, error.description))
        }
    }
}
