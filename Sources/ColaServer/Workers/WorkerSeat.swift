internal import ColaCore
internal import ColaWorkers

/// An instance of a worker, as the broker sees it: what it gets, what its process is started with, and what becomes of
/// the messages when that ends. It outlives its processes, of which there is one at most.
protocol WorkerSeat: AnyObject {
    /// By which the next process is started. What needs no other process for it holds at once.
    var definition: WorkerDefinition { get set }
    /// The message that it has had for longest.
    var heldMessage: HeldMessage? { get }
    /// It may have messages.
    func feed()
    /// It gets none any more; what it holds it keeps.
    func stopFeeding()
    /// The process gets nothing any more, and may know.
    func endInput()
    /// A process is to be started: what it is given besides its definition.
    ///
    /// - Throws: the reason in words; nothing is left open then.
    func provide() throws(ProgramResolution.Problem) -> Provision
    func started(_ process: Int32)
    /// The process is no more; what it started may still be, and is about to be killed.
    func exited(_ ending: Ending)
    /// Nothing is left of the process, or there never was one: what it held has to be settled.
    func ended(_ ending: Ending)
    /// The instance is no more.
    func leave()
}

extension WorkerSeat {
    func exited(_ ending: Ending) {}

    func endInput() {}

    /// Whether a definition feeds it as its own does: then it can go on by that, else another seat takes its place.
    func isFedAlike(by other: WorkerDefinition) -> Bool {
        (definition.mode, definition.virtualHost, definition.queue) == (other.mode, other.virtualHost, other.queue)
    }
}

/// What a process is started with, besides what its definition says.
struct Provision {
    /// Number `i` becomes the process's descriptor `i`. Whoever has this closes them.
    var descriptors: [Int32]
    /// `NAME=VALUE`.
    var environment: [String]
}
