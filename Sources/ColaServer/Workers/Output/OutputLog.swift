internal import ColaCore
internal import ColaWorkers

/// Where the lines go that workers write. It lives on the loop of their host.
protocol OutputLog: AnyObject {
    /// Whether it takes no more for now: pipes then fill up, until whoever writes to them has to wait.
    var isFull: Bool { get }

    /// For the lines of one worker.
    func taker(of worker: WorkerName) -> any OutputTaker
}

/// Takes the lines of one worker.
protocol OutputTaker: AnyObject {
    /// Whether a line is taken now; if not, it is only counted.
    var isOpen: Bool { get }

    /// Lines are about to come; time may have passed since the last ones.
    func refill()

    func add(_ content: OutputLine.Content, _ source: OutputLine.Source, _ stream: ProgramStream)
}
