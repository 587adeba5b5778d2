/// How a client that has lost its connection comes back to the server.
///
/// Before each attempt it waits: at first ``firstDelayMilliseconds``, then twice as long each time up to
/// ``delayMillisecondsMax``, of which a random part of up to a half is left out, so that a thousand clients of a server
/// that was restarted do not all come at once.
///
/// What was in flight is never sent again: whoever waited for it is told that it is not known what became of it.
public struct ReconnectPolicy: Sendable {
    /// The longest that the first attempt waits. Milliseconds.
    public var firstDelayMilliseconds: Int
    /// The longest that any attempt waits. Milliseconds.
    public var delayMillisecondsMax: Int
    /// Attempts after one loss until the client gives up for good; nil is no limit.
    public var attemptsMax: Int?
    /// Waits so many milliseconds; throws if the task is cancelled.
    package var sleep: @Sendable (Int) async throws -> Void = { try await Task.sleep(for: .milliseconds($0)) }
    /// A number of the range, by chance.
    package var random: @Sendable (ClosedRange<Int>) -> Int = { Int.random(in: $0) }

    /// A tenth of a second at first, half a minute at most, without end, unless said otherwise.
    public init(firstDelayMilliseconds: Int = 100, delayMillisecondsMax: Int = 30_000, attemptsMax: Int? = nil) {
        self.firstDelayMilliseconds = firstDelayMilliseconds
        self.delayMillisecondsMax = delayMillisecondsMax
        self.attemptsMax = attemptsMax
    }

    /// How long the attempt waits, the first being 0. Milliseconds.
    func delay(beforeAttempt attempt: Int) -> Int {
        let first = max(1, firstDelayMilliseconds)
        // Beyond 2^30 of anything the cap has long decided.
        let (doubled, overflow) = first.multipliedReportingOverflow(by: 1 << min(attempt, 30))
        let longest = min(overflow ? .max : doubled, max(1, delayMillisecondsMax))
        return random((longest + 1) / 2...longest)
    }
}
