/// What can be asked of the workers: the programs that this server runs as consumers.
///
/// Who they are and which processes they have is not the broker's affair. It sees to it that the answer comes in its
/// turn (``Effect/workers(_:_:_:)``).
package enum WorkerRequest: Equatable, Sendable {
    /// A row for each worker.
    case list
    /// A row for each instance of a worker.
    case processes
    /// Everything that is known of one.
    case show(Target)
    case control(Operation, Target)
    /// The configuration is read again, and what has changed of the workers holds from then on; of a dry run it is only
    /// said what would change.
    case reload(isDryRun: Bool)
    /// What the process of a worker that a channel is of wants for those that it has started itself.
    case child(ChannelID, ChildRequest)
    /// What they have written.
    case output(OutputQuery)

    /// A worker, or one instance of it.
    package struct Target: Equatable, Sendable {
        package var worker: String
        /// Nil: the worker as a whole.
        package var instance: UInt64?

        package init(worker: String, instance: UInt64? = nil) {
            self.worker = worker
            self.instance = instance
        }

        /// - Parameter text: `NAME`, or `NAME/INSTANCE`, as ``name`` writes it; nil if it is of neither form.
        package init?(_ text: String) {
            guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")) else {
                self.init(worker: text)
                return
            }
            let digits = text.utf8[text.utf8.index(after: slash)...]
            guard let first = digits.first, (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(first),
                let number = UInt64(String(text[text.index(after: slash)...])), slash != text.utf8.startIndex
            else { return nil }
            self.init(worker: String(text[..<slash]), instance: number)
        }

        package var name: String { instance.map { "\(worker)/\($0)" } ?? worker }
    }

    package enum ChildRequest: Equatable, Sendable {
        /// One more of them may connect.
        case token
        /// One of them is no more.
        case ended(processID: Int32, End)

        package enum End: Equatable, Sendable {
            case code(Int32)
            /// By its name or number.
            case signal(String)
        }
    }

    package enum Operation: Equatable, Sendable {
        case start
        case stop
        case restart
        /// So many processes at least and at most, whatever the settings say.
        case scale(ClosedRange<Int>)
        case pause
        case resume
        /// The signal by its name or number; nil: the end by force.
        case kill(signal: String?)
        /// The niceness of the processes that there are, -20 to 19.
        case nice(Int)
    }
}
