/// One delivery that a process did not bring to an end, as the message remembers it.
///
/// Shape:  in the record one header `cola-attempt` for each: `BEGAN ENDED END WORKER PROCESS DETAIL OUTPUT`, a
///         ``WordList``; times in milliseconds since 1970; OUTPUT the last lines that the process wrote, with a line
///         feed between them
package struct Attempt: Equatable, Sendable {
    /// What ended the lease. Of what clients hold it is one of the first five.
    package enum End: String, CaseIterable, Sendable {
        case acknowledged
        /// Its holder gave it back.
        case returned
        case rejected
        /// Its holder left in order, or was stopped from outside.
        case cancelled
        /// Its holder vanished: the connection ended without a word.
        case connectionLost = "connection-lost"
        /// The process ended by itself.
        case exited
        /// A signal ended it.
        case killed
        case outOfMemory = "out-of-memory"
        case timedOut = "timed-out"
        /// It could not be started.
        case notStarted = "not-started"
        /// It answered that it cannot.
        case refused

        /// Whether whoever runs processes says it: the others the broker finds out itself.
        package var isOfWorkers: Bool {
            switch self {
            case .acknowledged, .returned, .rejected, .connectionLost: false
            case .cancelled, .exited, .killed, .outOfMemory, .timedOut, .notStarted, .refused: true
            }
        }
    }

    package var began: Timestamp
    package var ended: Timestamp
    package var end: End
    package var worker: String
    /// The process id, or 0 if there was no process.
    package var process: Int32
    /// In words: `exit code 3`, `killed by SIGSEGV`.
    package var detail: String
    /// The last lines that it wrote.
    package var output: [String]

    /// More of a message's attempts than this are not remembered: the first ones go.
    static let most = 16
    /// Longer output is cut at its front. Bytes.
    package static let outputBytesMax = 4096

    package init(
        began: Timestamp, ended: Timestamp, end: End, worker: String, process: Int32 = 0, detail: String = "",
        output: [String] = []
    ) {
        self.began = began
        self.ended = ended
        self.end = end
        self.worker = worker
        self.process = process
        self.detail = detail
        self.output = output
    }

    /// What stands in the header.
    package var text: String {
        let words = [
            "\(began)", "\(ended)", end.rawValue, worker, "\(process)", detail, output.joined(separator: "\n"),
        ]
        return WordList.join(words)
    }

    /// Nil if it is not what stands in such a header.
    package init?(_ text: ArraySlice<UInt8>) {
        let words = WordList.split(text)
        guard words.count == 7, let began = Int64(words[0]), let ended = Int64(words[1]),
            let end = End(rawValue: words[2]),
            let process = Int32(words[4])
        else { return nil }
        self.init(
            began: Timestamp(began), ended: Timestamp(ended), end: end, worker: words[3], process: process,
            detail: words[5],
            output: words[6].isEmpty
                ? [] : words[6].split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }
}

/// What becomes of a message whose attempt has failed.
package enum Consequence: Equatable, Sendable {
    /// It is tried again after a while, unless this was the last of so many attempts.
    ///
    /// `isDefault`: nobody has said so of the holder, and the queue's own rule goes first, if it has one.
    case retry(milliseconds: Int64, attemptsMax: Int, isDefault: Bool = false)
    /// Its holder was stopped from outside, or never began: it is back in its place, and no attempt counts.
    case giveBack
    /// It goes where dead letters go, or is parked where there is no such place.
    case bury
    /// Its holder died, and of all that it held any may be the reason: it is tried again alone. One that was alone
    /// counts the attempt, unless that was the last of so many.
    case suspect(attemptsMax: Int, isDefault: Bool = false)
}
