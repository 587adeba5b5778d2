internal import ColaCore
internal import ColaStore

/// A memory store whose owner decides what becomes of each batch and each read, and what the broker is told of it.
///
/// Unchecked: a simulation has one thread.
final class FaultyStore: Store, @unchecked Sendable {
    private let memory: MemoryStore
    private var events: StoreEvents?
    private var isSilent = false
    private var failsReads = false

    init(disk: MemoryStore.Disk) {
        memory = MemoryStore(disk: disk, mode: .manual)
    }

    // MARK: What the broker calls

    func open(events: StoreEvents) throws(StoreError) -> Recovery {
        self.events = events
        return try memory.open(
            events: StoreEvents(
                committed: { [unowned self] number in if !isSilent { self.events?.committed(number) } },
                outOfRoom: { _ in }, roomFound: {}, failed: { _ in }))
    }

    func submit(_ batch: Batch) { memory.submit(batch) }

    func read(_ request: ReadRequest, completion: @escaping @Sendable (Result<ReadResult, StoreError>) -> Void) {
        memory.read(request) { [unowned self] result in
            completion(failsReads ? .failure(.inputOutput(operation: "read", reason: "simulated")) : result)
        }
    }

    func fetch(_ request: ReadRequest, completion: @escaping @Sendable (Result<PackedRead, StoreError>) -> Void) {
        memory.fetch(request) { [unowned self] result in
            completion(failsReads ? .failure(.inputOutput(operation: "read", reason: "simulated")) : result)
        }
    }

    func ask(_ query: Query, completion: @escaping @Sendable (Result<QueryResult, StoreError>) -> Void) {
        memory.ask(query) { [unowned self] result in
            completion(failsReads ? .failure(.inputOutput(operation: "ask", reason: "simulated")) : result)
        }
    }

    func close() throws(StoreError) { try memory.close() }

    // MARK: What the world decides

    var batchesWaiting: Int { memory.batchesWaiting }
    var readsWaiting: Int { memory.readsWaiting }

    /// The oldest batch becomes durable.
    ///
    /// - Parameter isTold: whether the broker lives to hear of it.
    func commitNext(isTold: Bool = true) {
        isSilent = !isTold
        memory.commitNext()
        isSilent = false
    }

    func readNext(fails: Bool) {
        failsReads = fails
        memory.readNext()
        failsReads = false
    }

    func runOutOfRoom() { events?.outOfRoom("simulated: the disk is full") }

    func findRoom() { events?.roomFound() }

    /// Nothing can be made durable any more; the process has to end.
    func fail() { events?.failed(.inputOutput(operation: "sync", reason: "simulated")) }

    /// Ends it as a killed process would.
    func crash() { memory.crash() }

    /// Nobody is to hear of it any more. The store and the loop that hears it hold each other until then.
    func fallSilent() { events = nil }
}
