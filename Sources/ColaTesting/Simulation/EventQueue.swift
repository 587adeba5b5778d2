/// What is to happen, in the order of (time, sequence): of two events of one moment the one that was planned first
/// comes first, so that a seed always gives the same run.
///
/// Shape: a binary heap
struct EventQueue {
    struct Event {
        /// Nanoseconds since the world began.
        var time: Int64
        var sequence: UInt64
        var body: () -> Void

        func precedes(_ other: Event) -> Bool { (time, sequence) < (other.time, other.sequence) }
    }

    private var heap: [Event] = []
    private var lastSequence: UInt64 = 0

    /// When the next event is due.
    var nextTime: Int64? { heap.first?.time }

    mutating func add(at time: Int64, _ body: @escaping () -> Void) {
        lastSequence += 1
        heap.append(Event(time: time, sequence: lastSequence, body: body))
        var index = heap.count - 1
        while index > 0, heap[index].precedes(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func popFirst() -> Event? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].precedes(heap[least]) {
                least = child
            }
            guard least != index else { return first }
            heap.swapAt(index, least)
            index = least
        }
    }

    mutating func removeAll() { heap = [] }
}
