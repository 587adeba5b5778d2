internal import ColaCore

/// What waits for the reader thread.
struct ReadQueue {
    typealias Completion = @Sendable (Result<ReadResult, StoreError>) -> Void

    var requests: [(request: ReadRequest, completion: Completion)] = []
    var isStopping = false
}

/// What the reader thread does for the whole of its life: answers reads one after the other.
final class ReadLoop: @unchecked Sendable {
    // Unchecked: made by the thread that opens the store, then used by the reader thread alone.
    private let reader: ChunkReader
    private let queue: Monitor<ReadQueue>
    private let path: String

    init(reader: ChunkReader, queue: Monitor<ReadQueue>, path: String) {
        self.reader = reader
        self.queue = queue
        self.path = path
    }

    /// Runs until it is told to stop and what was asked before is answered.
    func run() {
        while let requests = next() {
            for (request, completion) in requests { completion(read(request)) }
        }
    }

    private func next() -> [(request: ReadRequest, completion: ReadQueue.Completion)]? {
        queue.wait { queue -> [(request: ReadRequest, completion: ReadQueue.Completion)]?? in
            if queue.requests.isEmpty { return queue.isStopping ? .some(nil) : nil }
            let requests = queue.requests
            queue.requests = []
            return requests
        } ?? nil
    }

    private func read(_ request: ReadRequest) -> Result<ReadResult, StoreError> {
        Result { () throws(StoreError) in
            try StoreError.converting(path: path) { try reader.read(request) }
        }
    }
}
