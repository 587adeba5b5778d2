import ArgumentParser
import ColaClient

/// What makes one command that steers workers differ from the others.
protocol WorkerAction: Sendable {
    static var name: String { get }
    static var abstract: String { get }
    static var explanation: String { get }
    static var operation: Client.WorkerOperation { get }
}

/// `cola workers start`, `stop`, `restart`, `pause` and `resume`
struct WorkerControl<Action: WorkerAction>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Action.name, abstract: Action.abstract,
            discussion: """
                  cola workers \(Action.name) resize
                  cola workers \(Action.name) resize/7

                \(Action.explanation) What is so already stays so. It is under way when the command ends; `cola ps` \
                shows what comes of it.
                """)
    }

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "Workers, or WORKER/NUMBER.", completion: .workers, transform: WorkerTarget.init)
    var targets: [WorkerTarget]

    func run() async throws {
        try await connection.withBroker { client in
            for target in targets {
                try await client.control(worker: target.worker, Action.operation, instance: target.instance)
            }
        }
    }
}

enum WorkerStart: WorkerAction {
    static let name = "start"
    static let abstract = "Start what was stopped, is over, or waits after a failure."
    static let explanation = "What waits after failures starts at once."
    static let operation = Client.WorkerOperation.start
}

enum WorkerStop: WorkerAction {
    static let name = "stop"
    static let abstract = "Stop workers in order; they stay stopped until they are started."
    static let explanation = """
        They get no more messages, have time for those in hand, then get the signal of their definition, and are \
        killed only after more time. Their messages wait in the queue, or go to other consumers.
        """
    static let operation = Client.WorkerOperation.stop
}

enum WorkerRestart: WorkerAction {
    static let name = "restart"
    static let abstract = "Stop and start workers, one process after the other."
    static let explanation = "Messages in hand are finished first, as with stop."
    static let operation = Client.WorkerOperation.restart
}

enum WorkerPause: WorkerAction {
    static let name = "pause"
    static let abstract = "Halt processes where they are, with what they have in hand."
    static let explanation = "They keep their messages and their memory; `cola workers resume` lets them go on."
    static let operation = Client.WorkerOperation.pause
}

enum WorkerResume: WorkerAction {
    static let name = "resume"
    static let abstract = "Let go on what was paused."
    static let explanation = "They go on where they were halted."
    static let operation = Client.WorkerOperation.resume
}
