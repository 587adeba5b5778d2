package import ColaCore
package import OrderedCollections

/// A worker: a program, how it is fed, and how its processes are started, limited and stopped.
///
/// The program is the worker; each of its processes is an instance. Durations are milliseconds.
package struct WorkerDefinition: Equatable, Sendable {
    /// How messages reach the program.
    package enum Mode: String, CaseIterable, Sendable {
        /// A process for each message: the body on standard input, and the exit code decides.
        case exec
        /// A process that lives on: framed messages on standard input, answers on standard output.
        case stream
        /// The process connects to the broker by itself.
        case client
    }

    /// In stream: how messages and answers are written.
    package enum Format: String, CaseIterable, Sendable {
        /// One JSON object a line.
        case json
        /// The lines and counted bodies of the native protocol.
        case native
    }

    /// In stream: from when on a process takes messages.
    package enum Readiness: String, CaseIterable, Sendable {
        /// From its start on: they wait in its standard input.
        case started
        /// From when it has said so.
        case announced
    }

    /// When an instance whose process has ended is started again.
    package enum RestartPolicy: String, CaseIterable, Sendable {
        case always
        case onFailure = "on-failure"
        case never
    }

    /// Pauses between starts of what does not stay up.
    package struct Backoff: Equatable, Sendable {
        package var delay = ExponentialDelay(first: 100, most: 60_000)
        /// How long a process must be up for what failed before to be forgotten.
        package var resetAfter: Int64 = 10_000
        /// In exec: how many crashes in a row lead to a pause; one crash is the message's affair.
        package var crashes = 5

        package init() {}
    }

    package struct Stop: Equatable, Sendable {
        package var signal = Signal.terminate
        /// For the messages in hand, and then again for the signal to be followed, before the process is killed.
        package var grace: Int64 = 10_000

        package init() {}
    }

    /// Limits that the kernel holds for each process; nil: as the server's own.
    package struct Limits: Equatable, Sendable {
        /// Address space, in bytes.
        package var memory: Int64?
        /// Seconds of CPU time.
        package var cpuSeconds: Int64?
        package var openFiles: Int64?
        /// Of the user as a whole: that is how the kernel counts.
        package var processes: Int64?

        package init() {}
    }

    /// When a worker whose number of processes is a range gets more of them, or fewer.
    package struct Autoscale: Equatable, Sendable {
        /// More, when what waits would take longer than this.
        package var drainWithin: Int64 = 30_000
        /// More, when a message has waited for longer than this.
        package var age: Int64 = 10_000
        /// Fewer, when nothing waits and an instance has had nothing to do for this long.
        package var idleFor: Int64 = 60_000

        package init() {}
    }

    /// Instances of a worker at most.
    package static let processesMost = 1_000

    package var name: WorkerName
    package var virtualHost = "/"
    /// Nil in client mode alone: a process that needs no feeding.
    package var queue: String?
    /// The program and its arguments; never empty.
    package var command: [String]
    package var mode = Mode.exec
    package var format = Format.json
    package var ready = Readiness.started
    package var processes = 1...1
    /// Messages in hand at a time; 1 in exec.
    package var prefetch = 1
    /// Nil: where the server runs.
    package var directory: String?
    /// By name or number; nil: the server's own.
    package var user: String?
    package var group: String?
    package var umask: UInt32?
    package var nice: Int?
    package var environment: OrderedDictionary<String, String> = [:]
    /// What is passed on of the server's environment; a name that ends in `*` stands for all that begin so.
    package var passEnvironment = Self.passedByDefault
    package var limits = Limits()
    package var restart = RestartPolicy.always
    package var backoff = Backoff()
    package var stop = Stop()
    /// For a message; nil: none. In stream and client: how long an instance may hold messages without settling one.
    package var timeLimit: Int64?
    package var exitCodes = ExitCodeMap()
    /// Nil: its queue's rule holds, or ``retry`` where that has none.
    package var ownRetry: RetryRule?
    /// Where results are published to: standard output of exec, and what a stream worker gives with an answer to a
    /// message that names no place for it.
    package var resultQueue: String?
    /// In stream and client: how long it may take until the process is ready for messages.
    package var startLimit: Int64 = 30_000
    package var autoscale = Autoscale()

    package static let passedByDefault = ["PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR"]

    package init(name: WorkerName, queue: String?, command: [String], mode: Mode = .exec) {
        self.name = name
        self.queue = queue
        self.command = command
        self.mode = mode
        prefetch = Self.prefetchDefault(mode)
    }

    package static func prefetchDefault(_ mode: Mode) -> Int { mode == .exec ? 1 : 10 }

    /// When what it did not do is tried again, where its queue does not say it in its place.
    package var retry: RetryRule {
        get { ownRetry ?? RetryRule() }
        set { ownRetry = newValue }
    }

    /// Whether the number of instances follows the backlog.
    /// The queues that are made for it where they are not there. A program of mode client declares what it uses itself,
    /// with arguments of its own.
    package var ownQueues: [String] { mode == .client ? [] : [queue, resultQueue].compactMap { $0 } }

    package var isScaled: Bool { processes.count > 1 }
}
