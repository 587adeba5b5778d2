package import ColaCore

/// Where batches become durable, and where committed records come back from.
///
/// Nothing outside this target may assume SQLite: a store keeps a virtual host under an epoch, commits batches in
/// order, and reads chunks. Every implementation passes the same contract suite (`StoreContractTests`).
///
/// Callbacks run on a thread of the store's own, one at a time and in the order stated; they must hand over and return.
package protocol Store: AnyObject, Sendable {
    /// Opens the virtual host under a new epoch and returns what is in it. Once, before anything else.
    ///
    /// - Throws: ``StoreError``; nothing was changed, except that an epoch may have been used up.
    func open(events: StoreEvents) throws(StoreError) -> Recovery

    /// Gives a batch to the store. Returns at once; several may be under way. `events.committed` follows for each, in
    /// order.
    func submit(_ batch: Batch)

    /// Reads committed chunks. Returns at once; `completion` follows. What a batch changed is seen once it is
    /// committed.
    func read(_ request: ReadRequest, completion: @escaping @Sendable (Result<ReadResult, StoreError>) -> Void)

    /// Reads committed chunks as they are stored, for those who want whole batches. Otherwise as
    /// ``read(_:completion:)``.
    func fetch(_ request: ReadRequest, completion: @escaping @Sendable (Result<PackedRead, StoreError>) -> Void)

    /// Answers a question about what is committed. Returns at once; `completion` follows.
    func ask(_ query: Query, completion: @escaping @Sendable (Result<QueryResult, StoreError>) -> Void)

    /// Copies all that is committed to another place, while everything goes on: what is there at the end is the state
    /// after one of the commits before `completion`, which follows once. One copy at a time. `progress` comes now and
    /// then before that.
    func backUp(
        _ order: BackupOrder, progress: @escaping @Sendable (BackupProgress) -> Void,
        completion: @escaping @Sendable (Result<Int, BackupFailure>) -> Void)

    /// Gives the copy up that is being made, if there is one; its completion says so.
    func cancelBackup()

    /// Disk space is scarce: gives back some of what it does not use, soon. A store without a disk of its own does
    /// nothing.
    func giveBackSpace()

    /// Commits what was submitted, marks the stop as clean, and lets go of the virtual host. Blocks until done.
    func close() throws(StoreError)
}

extension Store {
    package func giveBackSpace() {}

    package func backUp(
        _ order: BackupOrder, progress: @escaping @Sendable (BackupProgress) -> Void,
        completion: @escaping @Sendable (Result<Int, BackupFailure>) -> Void
    ) {
        completion(.failure(.unsuitable(path: order.path, reason: "this server keeps nothing on a disk")))
    }

    package func cancelBackup() {}
}

/// What a store tells its owner.
package struct StoreEvents: Sendable {
    /// Batches up to and including this one are durable: they survive the end of the process and of the machine's
    /// power.
    package var committed: @Sendable (BatchNumber) -> Void
    /// The batch does not fit on the disk. It is being tried again; until `roomFound` only what frees room should
    /// follow.
    package var outOfRoom: @Sendable (String) -> Void
    package var roomFound: @Sendable () -> Void
    /// Nothing more can be made durable and what was under way is in doubt. The process must end.
    package var failed: @Sendable (StoreError) -> Void
    /// Something that was stored cannot be read any more; a copy of it was put aside. For the log.
    package var damaged: @Sendable (String) -> Void
    /// A start did something that a person should know of. Before `open` returns. For the log.
    package var noticed: @Sendable (StoreNotice) -> Void

    package init(
        committed: @escaping @Sendable (BatchNumber) -> Void, outOfRoom: @escaping @Sendable (String) -> Void,
        roomFound: @escaping @Sendable () -> Void, failed: @escaping @Sendable (StoreError) -> Void,
        damaged: @escaping @Sendable (String) -> Void = { _ in },
        noticed: @escaping @Sendable (StoreNotice) -> Void = { _ in }
    ) {
        self.committed = committed
        self.outOfRoom = outOfRoom
        self.roomFound = roomFound
        self.failed = failed
        self.damaged = damaged
        self.noticed = noticed
    }
}
