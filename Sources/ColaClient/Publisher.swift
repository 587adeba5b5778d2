internal import ColaNative
internal import DequeModule
public import NIOCore
internal import Synchronization

/// Publishes many messages to one place without waiting for each: up to a window of them are on their way unconfirmed.
///
/// ``publish(_:)`` returns when there is room in the window, and ``confirmAll()`` when everything is on the server's
/// disk. The first refusal is thrown by whichever of them comes next, and from then on by all.
public final class Publisher: Sendable {
    private struct State: Sendable {
        var inFlight = 0
        var inFlightBytes = 0
        var confirmed = 0
        var failure: (any Error)?
        var waiting = Deque<(condition: Condition, continuation: CheckedContinuation<Void, any Error>)>()
    }

    private enum Condition: Sendable { case room, nothingInFlight }

    /// Where the messages go.
    public let destination: Destination
    /// Messages that may be unconfirmed.
    public let window: Int
    /// Bytes of bodies that may be unconfirmed, so that a window of large messages does not fill the memory.
    static let windowBytes = 16 << 20

    private let connection: Connection
    private let template: PublishTemplate
    private let state = Mutex(State())

    init(_ connection: Connection, to destination: Destination, window: Int, template: PublishTemplate) {
        self.connection = connection
        self.destination = destination
        self.window = max(1, window)
        self.template = template
    }

    /// How many messages are on the server's disk.
    public var confirmedCount: Int { state.withLock { $0.confirmed } }

    /// Sends a message; waits only while the window is full.
    public func publish(_ body: ByteBuffer) async throws {
        try await wait(for: .room)
        state.withLock { state in
            state.inFlight += 1
            state.inFlightBytes += body.readableBytes
        }
        do {
            try connection.publish(template, body: body, for: self)
        } catch {
            refused(error, bytes: body.readableBytes)
            throw error
        }
    }

    /// Waits until everything that was published is confirmed.
    public func confirmAll() async throws { try await wait(for: .nothingInFlight) }

    private func wait(for condition: Condition) async throws {
        let goesOn = try state.withLock { state in
            if let failure = state.failure { throw failure }
            return isMet(condition, state)
        }
        if goesOn { return }
        try Task.checkCancellation()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                state.withLock { $0.waiting.append((condition, continuation)) }
                if Task.isCancelled { fail(CancellationError()) }
                resumeWaiting()
            }
        } onCancel: {
            fail(CancellationError())
        }
    }

    func confirmed(messages: Int, bytes: Int) {
        state.withLock { state in
            state.inFlight -= messages
            state.inFlightBytes -= bytes
            state.confirmed += messages
        }
        resumeWaiting()
    }

    func refused(_ error: any Error, bytes: Int) {
        state.withLock { state in
            state.inFlight -= 1
            state.inFlightBytes -= bytes
            state.failure = state.failure ?? error
        }
        resumeWaiting()
    }

    private func fail(_ error: any Error) {
        state.withLock { $0.failure = $0.failure ?? error }
        resumeWaiting()
    }

    private func isMet(_ condition: Condition, _ state: State) -> Bool {
        switch condition {
        case .room: state.inFlight < window && (state.inFlightBytes < Self.windowBytes || state.inFlight == 0)
        case .nothingInFlight: state.inFlight == 0
        }
    }

    /// Lets those go on whose condition is met, the first come first; all of them after a failure.
    private func resumeWaiting() {
        let (ready, failure) = state.withLock { state -> ([CheckedContinuation<Void, any Error>], (any Error)?) in
            var ready: [CheckedContinuation<Void, any Error>] = []
            while let first = state.waiting.first, state.failure != nil || isMet(first.condition, state) {
                ready.append(first.continuation)
                state.waiting.removeFirst()
            }
            return (ready, state.failure)
        }
        for continuation in ready {
            if let failure { continuation.resume(throwing: failure) } else { continuation.resume() }
        }
    }
}
