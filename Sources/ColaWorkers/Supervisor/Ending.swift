/// How the process of an instance came to its end, for whoever settles the messages that it held.
package enum Ending: Equatable, Sendable, CustomStringConvertible {
    /// By itself, or killed by somebody: in exec the table of exit codes decides, else the messages go back.
    case exited(ExitStatus)
    /// It held a message for longer than the limit, in milliseconds: a failed attempt, whatever the status says.
    case timedOut(ExitStatus, limit: Int64)
    /// It was told to end: no message is to blame. Nil: a message had come for which no process had been started.
    case stopped(ExitStatus?, why: String)
    /// The sentence says what was wrong. No message is to blame.
    case startFailed(String)
    /// With the keeper all processes are gone. No message is to blame.
    case keeperLost

    package var description: String {
        switch self {
        case .exited(let status): "\(status)"
        case .timedOut(let status, let limit):
            "held a message for longer than \(Quantity.text(milliseconds: limit)); \(status)"
        case .stopped(let status, let why): status.map { "\(why); \($0)" } ?? why
        case .startFailed(let sentence): "could not be started: \(sentence)"
        case .keeperLost: "the process that keeps the workers has ended, and all of them with it"
        }
    }
}
