import ArgumentParser
import ColaClient

/// `cola top`
struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the broker live: rates, depths, unacknowledged messages, ages, consumers, workers.",
        discussion: """
            Keys: q quits, s sorts by the next column. Where standard output is no terminal it prints one picture of \
            one interval and ends.

              cola top
              cola top --interval 5 --sort out
              cola top --interval 0.2 | head -n 3

            OLDEST is the age of the first message of a queue. The \(TopSample.rowsMax) queues and topics that hold \
            the most are shown; the numbers in the first two lines are of the whole broker. Below are its workers, if \
            there are any and whoever looks may see them: the states of their instances, what their processes take \
            together, the messages in hand with the AGE of the oldest, and when the NEXT process is started that waits \
            after a failure.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Option(name: .long, help: ArgumentHelp("The time between two pictures.", valueName: "seconds"))
    var interval = 1.0

    @Option(name: .long, help: "What to sort by.")
    var sort = TopPicture.Order.messages

    func validate() throws {
        guard (0.1...3600).contains(interval) else { throw ValidationError("--interval is 0.1 to 3600 seconds") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            let first = try await TopSample(client)
            guard Terminal.isStandardOutput, Terminal.isStandardInput else {
                try await Task.sleep(for: .seconds(interval))
                let picture = TopPicture(before: first, now: try await TopSample(client), order: sort)
                return try Output.print(picture.lines().joined(separator: "\n"))
            }
            let screen = try FullScreen()
            defer { screen.restore() }
            let signals = StopSignals { number in
                screen.restore()
                exitProcess(128 + number)
            }
            defer { withExtendedLifetime(signals) {} }
            try await show(from: first, client)
        }
    }

    private func show(from first: TopSample, _ client: Client) async throws {
        var (before, now, order) = (first, first, sort)
        var clearedFor: Terminal.Size?
        while true {
            let due = monotonicNanoseconds() + Int64(interval * 1e9)
            var drawn: (size: Terminal.Size, order: TopPicture.Order)?
            repeat {
                while let key = Terminal.typedByte() {
                    switch key {
                    case UInt8(ascii: "q"), UInt8(ascii: "Q"): return
                    case UInt8(ascii: "s"): order = order.next
                    default: break
                    }
                }
                let size = Terminal.size
                if drawn.map({ $0.size != size || $0.order != order }) ?? true {
                    let hint = "q quits, s sorts (by \(order.rawValue))"
                    let lines = TopPicture(before: before, now: now, order: order).lines(within: size.columns)
                    try Screen.draw([lines[0], lines[1], hint] + lines.dropFirst(2), clearing: clearedFor != size)
                    clearedFor = size
                    drawn = (size, order)
                }
                try await Task.sleep(for: .milliseconds(50))
            } while monotonicNanoseconds() < due
            (before, now) = (now, try await TopSample(client))
        }
    }
}

extension TopPicture.Order: ExpressibleByArgument {}
