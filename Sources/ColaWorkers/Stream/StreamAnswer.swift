/// What a worker of mode `stream` says of messages that it holds.
///
/// Source: `protocol/workers.md`, "Answers"
package struct StreamAnswer: Equatable, Sendable {
    package enum Verdict: Equatable, Sendable {
        case done
        /// Done, and this is to be published.
        case result([UInt8])
        /// To be tried again: after so many milliseconds, or as the worker's rule for retries says.
        case retry(milliseconds: Int64?, reason: String?)
        /// It cannot be done.
        case reject(reason: String?)
    }

    package var verdict: Verdict
    /// Numbers of deliveries, from 1 on. Of each range the worker holds at least one, or the answer is wrong.
    package var deliveries: ClosedRange<UInt64>
    /// The ranges after the first.
    package var more: [ClosedRange<UInt64>]

    package init(_ verdict: Verdict, _ deliveries: ClosedRange<UInt64>, more: [ClosedRange<UInt64>] = []) {
        self.verdict = verdict
        self.deliveries = deliveries
        self.more = more
    }
}

/// What a line on the standard output of a worker is.
package enum StreamLine: Equatable, Sendable {
    /// It takes messages.
    case ready
    case answer(StreamAnswer)
    /// The message is done; its result follows, with so many bytes and a line feed behind them.
    case result(delivery: UInt64, bytes: Int)
}
