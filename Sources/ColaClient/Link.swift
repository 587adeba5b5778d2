internal import ColaNative
internal import NIOCore
internal import Synchronization

/// A client's connection, and the one that takes its place when it is lost and the client is to come back.
///
/// While there is none, requests wait; consumers of the lost connection begin again on the new one before anybody else
/// may use it. Nothing that was sent is sent again.
final class Link: Sendable {
    private typealias Waiter = (id: UInt64, continuation: CheckedContinuation<Void, any Error>)

    private struct State: Sendable {
        var connection: Connection
        var server: ServerInformation
        /// The next connection, while consumers begin again on it: what these bring can be settled already.
        var arriving: Connection?
        var isReconnecting = false
        var isClosing = false
        var reconnecting: Task<Void, Never>?
        /// Why there will be no connection any more.
        var end: ColaError?
        /// Over which acknowledgements went that no answer has followed since.
        var unsettled: Connection?
        var waiting: [Waiter] = []
        var nextWaiter: UInt64 = 1
    }

    private let dialer: Dialer
    private let state: Mutex<State>

    init(_ dialed: Dialer.Dialed, by dialer: Dialer) {
        self.dialer = dialer
        state = Mutex(State(connection: dialed.connection, server: dialed.server))
        watch(dialed.connection)
    }

    /// The present connection, or the one that was lost.
    var current: Connection { state.withLock(\.connection) }
    var server: ServerInformation { state.withLock(\.server) }

    /// Whether a lost connection is followed by another one.
    var isToReconnect: Bool { dialer.options.reconnect != nil && state.withLock { $0.end == nil && !$0.isClosing } }

    /// A connection that was not lost yet, waiting for one if need be.
    func connection() async throws -> Connection {
        while true {
            let (connection, mustWait) = try state.withLock { state -> (Connection, Bool) in
                if let end = state.end { throw end }
                return (state.connection, state.isReconnecting)
            }
            if !mustWait {
                guard connection.failure != nil, isToReconnect else { return connection }
            }
            // Also where the loss is known to the connection and not yet here.
            try await waitForConnection(otherThan: connection)
        }
    }

    /// Does something on a connection; on the next one if this one turns out to be lost before anything was sent.
    func withConnection<Result: Sendable>(
        _ body: (Connection) async throws -> Result
    ) async throws -> Result {
        while true {
            let connection = try await connection()
            do {
                return try await body(connection)
            } catch let unsent as Connection.NotSent {
                guard isToReconnect else { throw unsent.reason }
            }
        }
    }

    /// Sends a request and waits for its answer.
    func ask(_ request: ClientRequest, _ what: String) async throws -> Connection.Reply {
        try await withConnection { try await $0.ask(request, what) }
    }

    /// Sends what is answered only if it fails, about deliveries of the present connection.
    func settle(
        _ what: ClientRequest.Acknowledgement, _ numbers: ClosedRange<Int64>, delay: Int64? = nil
    ) throws {
        guard numbers.lowerBound > 0 else {
            throw ColaError(
                code: .unknownDelivery,
                message: "there is nothing to \(what.rawValue): the delivery was acknowledged when it was sent",
                isRetryable: false)
        }
        let connection = state.withLock { state in
            if let arriving = state.arriving, numbers.lowerBound > arriving.deliveryBase { return arriving }
            return state.connection
        }
        guard numbers.lowerBound > connection.deliveryBase else { throw Self.stale(numbers) }
        do {
            try connection.tell(.acknowledge(what, connection.wireNumbers(numbers), delay: delay))
            state.withLock { $0.unsettled = connection }
        } catch let unsent as Connection.NotSent {
            throw isToReconnect ? Self.stale(numbers) : unsent.reason
        }
    }

    /// Waits until what was settled is on the server's disk.
    func settled() async throws {
        let last = state.withLock { state in
            defer { state.unsettled = nil }
            return state.unsettled
        }
        guard let last else {
            _ = try await ask(.ping, "ping")
            return try refusal(of: current)
        }
        do {
            _ = try await last.ask(.ping, "ping behind acknowledgements")
        } catch let unsent as Connection.NotSent {
            guard isToReconnect else { throw unsent.reason }
            throw ColaError(
                code: .connectionLost,
                message: "acknowledgements were sent over a connection that was lost: whether they are on the server's "
                    + "disk is not known; of those that are not, the messages come again",
                isRetryable: false)
        } catch let error as CancellationError {
            state.withLock { $0.unsettled = $0.unsettled ?? last }
            throw error
        }
        try refusal(of: last)
    }

    private func refusal(of connection: Connection) throws {
        if let refusal = connection.takeRefusal() { throw refusal }
    }

    private static func stale(_ numbers: ClosedRange<Int64>) -> ColaError {
        let subject = numbers.count == 1 ? "delivery \(numbers.lowerBound)" : "one of the deliveries \(numbers)"
        return ColaError(
            code: .unknownDelivery,
            message: "\(subject) came over a connection that was lost: the server has it back and delivers it again; "
                + "settle the new delivery",
            isRetryable: false)
    }

    /// From now on a lost connection stays lost.
    func stopReconnecting() {
        let task = state.withLock { state in
            state.isClosing = true
            return state.reconnecting
        }
        task?.cancel()
    }

    /// Nothing is asked any more, and nobody comes back.
    func close() {
        stopReconnecting()
        giveUp(Self.closed)
        current.fail(Self.closed)
    }

    private static let closed = ColaError(code: .closed, message: "the client was closed", isRetryable: false)

    // MARK: Waiting

    private func waitForConnection(otherThan lost: Connection) async throws {
        let id = state.withLock { state -> UInt64 in
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let answer = state.withLock { state -> Result<Void, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if let end = state.end { return .failure(end) }
                    if state.connection !== lost { return .success(()) }
                    state.waiting.append((id, continuation))
                    return nil
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    // MARK: Coming back

    private func watch(_ connection: Connection) {
        connection.onEnd { [weak self] error, subscriptions in self?.lost(error, subscriptions) ?? false }
    }

    /// - Returns: whether the consumers are taken over, to begin again later.
    private func lost(_ error: ColaError, _ subscriptions: [Subscription]) -> Bool {
        if state.withLock(\.isClosing) {
            // The server may close before the answer to `quit` is seen here.
            end(subscriptions, with: Self.closed)
            return true
        }
        guard dialer.options.reconnect != nil, error.code != .closed, error.code != .protocolViolation else {
            giveUp(error)
            return false
        }
        return state.withLock { state -> Bool in
            if state.end != nil || state.isClosing { return false }
            // The new connection is lost before it was in use: the attempts go on, with the consumers they have.
            if state.isReconnecting { return true }
            state.isReconnecting = true
            // No caller's task lives as long as the client does; `close` cancels this one.
            state.reconnecting = Task { await self.reconnect(after: error, subscriptions) }
            return true
        }
    }

    private func reconnect(after loss: ColaError, _ subscriptions: [Subscription]) async {
        guard let policy = dialer.options.reconnect else { return }
        for subscription in subscriptions where subscription.plan.endsWithConnection {
            subscription.finish(throwing: loss)
        }
        dialer.options.notice?("\(loss.message); connecting again")
        var last = current
        var attempt = 0
        while true {
            for subscription in subscriptions { subscription.suspended() }
            do {
                try await policy.sleep(policy.delay(beforeAttempt: attempt))
                let dialed = try await dialer.dial(deliveryBase: last.deliveryNumberMax)
                last = dialed.connection
                state.withLock { $0.arriving = last }
                watch(last)
                try await resume(subscriptions, on: last)
                if try install(dialed) {
                    dialer.options.notice?("connected to \(dialer.url) again")
                    return
                }
            } catch let error as ColaError where Self.mayPass(error) {
                if attempt + 1 >= policy.attemptsMax ?? .max {
                    var last = error
                    last.message += "; gave up after \(attempt + 1) attempts to connect again"
                    return end(subscriptions, with: last)
                }
            } catch {
                // Refused for good, or cancelled because the client closes.
                last.fail(Self.closed)
                last.channel.close(promise: nil)
                return end(subscriptions, with: error as? ColaError ?? loss)
            }
            attempt += 1
        }
    }

    private func resume(_ subscriptions: [Subscription], on connection: Connection) async throws {
        for subscription in subscriptions where !subscription.isFinished {
            do {
                try await subscription.begin(on: connection)
            } catch let error as ColaError where connection.failure == nil {
                // The queue is gone, or somebody else has it now: the matter of this consumer alone.
                subscription.finish(throwing: error)
            } catch let unsent as Connection.NotSent {
                throw unsent.reason
            }
        }
    }

    /// - Returns: false if it was lost meanwhile.
    private func install(_ dialed: Dialer.Dialed) throws -> Bool {
        let (waiting, end) = state.withLock { state -> ([Waiter]?, ColaError?) in
            if let end = state.end ?? (state.isClosing ? Self.closed : nil) { return (nil, end) }
            guard dialed.connection.failure == nil else { return (nil, nil) }
            state.connection = dialed.connection
            state.arriving = nil
            state.server = dialed.server
            state.isReconnecting = false
            state.reconnecting = nil
            defer { state.waiting = [] }
            return (state.waiting, nil)
        }
        if let end {
            dialed.connection.fail(end)
            dialed.connection.channel.close(promise: nil)
            throw end
        }
        guard let waiting else { return false }
        for waiter in waiting { waiter.continuation.resume() }
        return true
    }

    private func end(_ subscriptions: [Subscription], with error: ColaError) {
        giveUp(error)
        for subscription in subscriptions { subscription.finish(throwing: error) }
    }

    private func giveUp(_ error: ColaError) {
        let (end, waiting) = state.withLock { state -> (ColaError, [Waiter]) in
            state.end = state.end ?? error
            state.isReconnecting = false
            state.reconnecting = nil
            defer { state.waiting = [] }
            return (state.end ?? error, state.waiting)
        }
        for waiter in waiting { waiter.continuation.resume(throwing: end) }
    }

    /// Whether another attempt can end otherwise.
    private static func mayPass(_ error: ColaError) -> Bool {
        error.isRetryable || [.connectionLost, .unreachable, .busy, .shuttingDown, .timeout].contains(error.code)
    }
}
