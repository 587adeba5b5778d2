import ArgumentParser
import ColaClient
import ColaCore
import ColaWorkers

extension DeathReason: ExpressibleByArgument {}

extension Attempt.End: ExpressibleByArgument {}

/// Which dead letters are meant.
struct DeadLetterOptions: ParsableArguments {
    @Option(name: .long, help: "Those that died last for this reason.")
    var reason: DeathReason?

    @Option(name: .long, help: ArgumentHelp("Those that died last in this queue.", valueName: "queue"))
    var from: String?

    @Option(name: .long, help: "Those at which the last attempt ended so.")
    var end: Attempt.End?

    @Option(name: .long, help: "Those with this record key.")
    var key: String?

    @Option(name: .long, help: "Those with this text in their body, 1 to 255 bytes.")
    var text: String?

    @Option(name: .customLong("header"), help: ArgumentHelp("Those with this header.", valueName: "name=value"))
    var headers: [String] = []

    @Option(name: .long, help: ArgumentHelp("Those that are there for so long or longer: 1h.", valueName: "duration"))
    var olderThan: String?

    @Option(name: .long, help: ArgumentHelp("Those that are there for less than this: 1h 30m.", valueName: "duration"))
    var youngerThan: String?

    func validate() throws { _ = try filter() }

    func filter() throws -> DeadLetterFilter {
        var filter = DeadLetterFilter()
        filter.reason = reason?.rawValue
        filter.queue = from
        filter.end = end?.rawValue
        filter.key = key
        if let text, !(1...255).contains(text.utf8.count) { throw ValidationError("--text has 1 to 255 bytes") }
        filter.text = text
        filter.headers = try HeaderArguments.parse(headers)
        filter.olderThanMilliseconds = try Self.milliseconds(olderThan, "--older-than")
        filter.youngerThanMilliseconds = try Self.milliseconds(youngerThan, "--younger-than")
        return filter
    }

    private static func milliseconds(_ text: String?, _ option: String) throws -> Int64? {
        guard let text else { return nil }
        guard let milliseconds = Quantity.milliseconds(text) else {
            throw ValidationError("\(option) is a duration such as 30s, 5 min, 1h 30m or 7d, not '\(text)'")
        }
        return milliseconds
    }
}
