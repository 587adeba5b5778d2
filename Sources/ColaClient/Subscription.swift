internal import ColaNative
internal import DequeModule
internal import NIOCore
internal import Synchronization

/// One consumer through all connections of a client: what was sent and not taken, and whoever waits for it.
///
/// The server is told of room only when something was taken or acknowledged, so what is kept here is bounded by the
/// prefetch. It is meant for one reader.
final class Subscription: Sendable {
    enum Event: Sendable {
        case delivery(Delivery)
        case assigned(Assignment)
        /// What came before it was sent before a seek was asked for.
        case seeking
    }

    enum Next: Sendable {
        case event(Event)
        case idle
        case ended
    }

    typealias Place = (connection: Connection, consumer: Int64)
    private typealias Waiter = (id: UInt64, continuation: CheckedContinuation<Next, any Error>)
    private typealias Beginning = (ClientRequest.Consume, Int, [(partition: Int, position: String)])

    private struct State: Sendable {
        var place: Place?
        var ready = Deque<Event>()
        /// The messages in `ready`.
        var readyMessages = 0
        var waiter: Waiter?
        var nextWaiter: UInt64 = 1
        /// Messages that may come and have not been taken, of those that the plan allows.
        var left: Int
        /// Credit that may still be granted on this connection.
        var grantable = 0
        var takenSinceGrant = 0
        var positions: ReadingPositions
        /// While it is not known where it reads nothing is taken.
        var isSeeking = false
        var isFinished = false
        var failure: (any Error)?
    }

    let plan: ConsumePlan
    private let state: Mutex<State>

    init(_ plan: ConsumePlan) {
        self.plan = plan
        state = Mutex(State(left: plan.limit ?? .max, positions: ReadingPositions(from: plan.from)))
    }

    var isReady: Bool { state.withLock { !$0.ready.isEmpty } }
    var isFinished: Bool { state.withLock(\.isFinished) }
    /// What a member of a group was told last to read.
    var assignment: Assignment? { state.withLock(\.positions.assignment) }
    /// Where it consumes now; nil before it has begun and while the connection is lost.
    var place: Place? { state.withLock(\.place) }

    // MARK: Beginning

    /// Begins on the connection, for the first time or again.
    func begin(on connection: Connection) async throws {
        let number = try connection.addConsumer(self)
        let (request, credit, seeks) = state.withLock { state -> Beginning in
            state.place = (connection, number)
            let room = max(0, min(plan.prefetch, state.left) - state.readyMessages)
            state.grantable = state.left == .max ? .max : max(0, state.left - room - state.readyMessages)
            state.takenSinceGrant = 0
            let seeks = plan.group == nil ? state.positions.seeks : []
            // Before the seeks nothing may come, or it would be from the wrong places.
            let first = seeks.isEmpty ? room : 0
            return (plan.request(number, credit: first, from: state.positions.from), room - first, seeks)
        }
        do {
            _ = try await connection.ask(.consume(request), "consume of '\(plan.name)'")
            for (partition, position) in seeks {
                let seek = ClientRequest.seek(consumer: number, to: position, partition: partition)
                _ = try await connection.ask(seek, "seek in '\(plan.name)'")
            }
            if credit > 0 { try connection.tell(.credit(consumer: number, count: credit)) }
        } catch {
            connection.removeConsumer(number)
            // The answer that nobody waited for may still make it a consumer.
            let isUnknown = (error as? ColaError).map { $0.code == .timeout } ?? true
            if isUnknown { try? connection.send(.cancel(consumer: number)) }
            throw error
        }
        // It was ended meanwhile, by somebody who could not know where it would be.
        guard isFinished else { return }
        connection.removeConsumer(number)
        try? connection.send(.cancel(consumer: number))
    }

    /// The connection is lost, another one is to come. What waits here comes again, but for what counts as acknowledged
    /// since it was sent.
    func suspended() {
        state.withLock { state in
            state.place = nil
            guard !plan.keepsWhatCame, !state.isFinished else { return }
            state.ready = []
            state.readyMessages = 0
            state.positions.forgetOrder()
        }
    }

    // MARK: Taking

    /// The next event; `.idle` if none comes in time. Cancelling the task ends the subscription.
    func next(within milliseconds: Int64? = nil) async throws -> Next {
        if Task.isCancelled { giveBack() }
        if let next = try take() { return next }
        let id = state.withLock { state -> UInt64 in
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        var timeout: Task<Void, Never>?
        defer { timeout?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Next, any Error>) in
                state.withLock { $0.waiter = (id, continuation) }
                // It may have come, or been cancelled, between looking and waiting.
                if Task.isCancelled { giveBack() }
                wakeIfReady()
                if let milliseconds {
                    timeout = Task {
                        try? await Task.sleep(for: .milliseconds(milliseconds))
                        if !Task.isCancelled { self.wake(id, with: .idle) }
                    }
                }
            }
        } onCancel: {
            giveBack()
        }
    }

    /// Takes what came into the queue of this consumer.
    /// - Returns: false if it has ended, and whoever sent it is to have it back.
    func append(_ delivery: Delivery) -> Bool {
        let isTaken = state.withLock { state -> Bool in
            if state.isFinished { return false }
            if plan.isTopic, !state.isSeeking { dropSuperseded(by: delivery, &state) }
            state.ready.append(.delivery(delivery))
            state.readyMessages += 1
            return true
        }
        if plan.isTopic { grant() }
        if isTaken { wakeIfReady() }
        return isTaken
    }

    /// A member reads other partitions from now on: what waits of the others is somebody else's.
    func append(_ assignment: Assignment) {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.positions.assign(assignment)
            drop(&state) { delivery in
                guard let next = assignment.partitions[delivery.message.partition] else { return true }
                return delivery.message.offset >= next
            }
            state.ready.append(.assigned(assignment))
        }
        grant()
        wakeIfReady()
    }

    private func take() throws -> Next? {
        let next = try state.withLock { state -> Next? in
            if state.isSeeking, !state.isFinished { return nil }
            if let event = state.ready.popFirst() {
                guard case .delivery(let delivery) = event else { return .event(event) }
                state.readyMessages -= 1
                state.takenSinceGrant += 1
                if state.left != .max { state.left -= 1 }
                if plan.isTopic { state.positions.took(delivery.message) }
                return .event(event)
            }
            if let failure = state.failure {
                state.failure = nil
                throw failure
            }
            return state.isFinished || state.left == 0 ? .ended : nil
        }
        if next != nil { grant() }
        return next
    }

    /// Makes room for as many as were taken, half a prefetch at a time.
    private func grant() {
        guard plan.usesCredit else { return }
        let granted = state.withLock { state -> (Place, Int)? in
            guard let place = state.place, state.takenSinceGrant >= max(1, plan.prefetch / 2) else { return nil }
            let credit = min(state.takenSinceGrant, state.grantable)
            state.takenSinceGrant = 0
            guard credit > 0 else { return nil }
            if state.grantable != .max { state.grantable -= credit }
            return (place, credit)
        }
        guard let (place, credit) = granted else { return }
        try? place.connection.tell(.credit(consumer: place.consumer, count: credit))
    }

    private func drop(_ state: inout State, where isStale: (Delivery) -> Bool) {
        let before = state.ready.count
        state.ready.removeAll { event in
            guard case .delivery(let delivery) = event else { return false }
            return isStale(delivery)
        }
        state.readyMessages -= before - state.ready.count
        state.takenSinceGrant += before - state.ready.count
    }

    /// Records of a partition come in their order. One that goes back is the first after a seek, and what was sent
    /// before it from there on comes again.
    private func dropSuperseded(by delivery: Delivery, _ state: inout State) {
        guard state.positions.goesBack(delivery.message) else { return }
        drop(&state) {
            $0.message.partition == delivery.message.partition && $0.message.offset >= delivery.message.offset
        }
    }

    // MARK: Seeking

    /// Reads on from there. Nothing is taken until the answer is here; if it is refused, nothing has changed.
    func seek(to position: ReadingPosition, partition: Int?) async throws {
        guard let place else {
            throw ColaError(
                code: .connectionLost,
                message: "'\(plan.name)' is not being read now: the connection is lost, or the reader has ended",
                isRetryable: !isFinished)
        }
        let isAlone = state.withLock { state in
            if state.isSeeking { return false }
            state.isSeeking = true
            state.ready.append(.seeking)
            return true
        }
        guard isAlone else {
            throw ColaError(
                code: .inUse, message: "another seek in '\(plan.name)' is under way; wait for it", isRetryable: true)
        }
        let request = ClientRequest.seek(consumer: place.consumer, to: position.text, partition: partition)
        do {
            _ = try await place.connection.ask(request, "seek in '\(plan.name)'")
            state.withLock { state in
                forgetWhatCame(beforeSeekTo: position, partition: partition, &state)
                state.positions.seek(to: position, partition: partition)
            }
            grant()
            endSeek()
        } catch {
            endSeek()
            throw (error as? Connection.NotSent)?.reason ?? error
        }
    }

    private func endSeek() {
        state.withLock { state in
            state.isSeeking = false
            state.ready.removeAll { if case .seeking = $0 { true } else { false } }
        }
        wakeIfReady()
    }

    /// Records from before and from after the seek may come until its answer does. Those of a partition come in their
    /// order, so the last that goes back is the first after the seek; where none does, what lies below is from before.
    private func forgetWhatCame(beforeSeekTo position: ReadingPosition, partition: Int?, _ state: inout State) {
        var floor: Int64 = 0
        if case .offset(let offset) = position { floor = offset }
        var isBefore = true
        var firstAfter: [Int: Int] = [:]
        for (index, event) in state.ready.enumerated() {
            if case .seeking = event { isBefore = false }
            guard !isBefore, case .delivery(let delivery) = event else { continue }
            if state.positions.goesBack(delivery.message) { firstAfter[delivery.message.partition] = index }
        }
        var kept = Deque<Event>()
        isBefore = true
        for (index, event) in state.ready.enumerated() {
            if case .seeking = event { isBefore = false }
            if case .delivery(let delivery) = event,
                partition ?? delivery.message.partition == delivery.message.partition
            {
                let first = firstAfter[delivery.message.partition]
                if isBefore || first.map({ index < $0 }) ?? (delivery.message.offset < floor) { continue }
            }
            kept.append(event)
        }
        let dropped = state.ready.count - kept.count
        state.ready = kept
        state.readyMessages -= dropped
        state.takenSinceGrant += dropped
    }

    // MARK: Ending

    func finish(throwing error: (any Error)?) {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.isFinished = true
            state.failure = error
        }
        wakeIfReady()
    }

    /// Ends it at once: the server sends no more, and what waits here goes back to its queue.
    func giveBack() {
        let (place, numbers) = state.withLock { state -> (Place?, [Int64]) in
            let numbers = state.ready.compactMap { event -> Int64? in
                guard case .delivery(let delivery) = event, delivery.number > 0 else { return nil }
                return delivery.number
            }
            let place = state.isFinished ? nil : state.place
            state.isFinished = true
            state.ready = []
            state.readyMessages = 0
            return (place ?? (numbers.isEmpty ? nil : state.place), numbers)
        }
        if let place {
            place.connection.removeConsumer(place.consumer)
            try? place.connection.send(.cancel(consumer: place.consumer))
            // With a tag, as a topic has nothing to give back and says so.
            for run in Self.runs(of: numbers) {
                try? place.connection.send(.acknowledge(.nack, place.connection.wireNumbers(run), delay: 0))
            }
        }
        wakeIfReady()
    }

    /// Tells the server to send no more; what is here can still be taken.
    func cancel() async throws {
        let place = state.withLock { state -> Place? in state.isFinished ? nil : state.place }
        finish(throwing: nil)
        guard let place else { return }
        place.connection.removeConsumer(place.consumer)
        _ = try await place.connection.ask(.cancel(consumer: place.consumer), "cancel of a consumer")
    }

    /// Numbers in ascending order as ranges without holes.
    private static func runs(of numbers: [Int64]) -> [ClosedRange<Int64>] {
        var runs: [ClosedRange<Int64>] = []
        for number in numbers {
            if let last = runs.last, last.upperBound + 1 == number {
                runs[runs.count - 1] = last.lowerBound...number
            } else {
                runs.append(number...number)
            }
        }
        return runs
    }

    private func wakeIfReady() {
        let waiter = state.withLock { state -> Waiter? in
            guard let waiter = state.waiter,
                state.isFinished || (!state.ready.isEmpty && !state.isSeeking)
            else { return nil }
            state.waiter = nil
            return waiter
        }
        guard let waiter else { return }
        do {
            if let next = try take() { return waiter.continuation.resume(returning: next) }
        } catch {
            return waiter.continuation.resume(throwing: error)
        }
        // A seek began in between.
        state.withLock { $0.waiter = waiter }
        wakeIfReady()
    }

    private func wake(_ id: UInt64, with next: Next) {
        let waiting = state.withLock { state -> CheckedContinuation<Next, any Error>? in
            guard let waiter = state.waiter, waiter.id == id else { return nil }
            state.waiter = nil
            return waiter.continuation
        }
        waiting?.resume(returning: next)
    }
}
