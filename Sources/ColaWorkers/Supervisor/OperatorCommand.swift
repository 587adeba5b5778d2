/// What an operator can ask of a worker or of one instance.
package enum OperatorCommand: Equatable, Sendable {
    /// Also what is over, was stopped, or waits after a failure starts at once.
    case start
    /// In order: no more messages, time for those in hand, the signal, time, and only then the end by force. A worker
    /// stays stopped until it is started; so does an instance.
    case stop
    /// In order, and of a worker one instance after the other.
    case restart
    /// Of a worker alone: this many, whatever the settings say, until they say something else.
    case scale(ClosedRange<Int>)
    /// The processes are halted where they are.
    case pause
    case resume
    /// At once and by force, with every descendant; then the rule for restarts holds.
    case kill

    package enum Target: Equatable, Sendable {
        case worker(WorkerName)
        case instance(InstanceID)
    }
}
