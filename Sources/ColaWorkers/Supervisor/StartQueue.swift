internal import DequeModule

/// Instances that wait for their turn to be started: workers take turns, and each begins with the one that came first.
struct StartQueue: Sendable {
    private var turns: Deque<WorkerName> = []
    /// None of them is empty.
    private var waiting: [WorkerName: Deque<InstanceID>] = [:]

    var isEmpty: Bool { turns.isEmpty }

    /// Whose turn it is.
    var first: InstanceID? { turns.first.flatMap { waiting[$0]?.first } }

    mutating func append(_ id: InstanceID, of worker: WorkerName) {
        if waiting[worker] == nil { turns.append(worker) }
        waiting[worker, default: []].append(id)
    }

    /// Takes out ``first``; the next worker has its turn.
    mutating func removeFirst() {
        guard let worker = turns.popFirst() else { return }
        _ = waiting[worker]?.popFirst()
        if waiting[worker]?.isEmpty == true {
            waiting[worker] = nil
        } else {
            turns.append(worker)
        }
    }

    mutating func removeAll() {
        turns.removeAll()
        waiting.removeAll()
    }
}
