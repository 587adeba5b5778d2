internal import ColaNative
internal import DequeModule
public import NIOCore
internal import Synchronization

/// Publishes many messages to one place without waiting for each: up to a window of them are on their way unconfirmed.
///
/// ``publish(_:)`` returns when there is room in the window, and ``confirmAll()`` when everything is on the server's
/// disk. The first refusal is thrown by whichever of them comes next, and from then on by all.
///
/// If the connection is lost with messages in flight, that is such a refusal, also where the client connects again:
/// ``ColaError/confirmed`` says how many are stored, ``ColaError/inFlight`` of how many it is not known, and these are
/// the last ones in the order of publishing. Whether to publish them again is the caller's to decide. With nothing in
/// flight it goes on over the next connection. A task that is cancelled while it waits for room or for confirms fails
/// the publisher as a whole.
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

    private let connection: Link
    private let template: PublishTemplate
    private let state = Mutex(State())

    init(_ connection: Link, to destination: Destination, window: Int, template: PublishTemplate) {
        self.connection = connection
        self.destination = destination
        self.window = max(1, window)
        self.template = template
    }

    /// How many messages are on the server's disk.
    public var confirmedCount: Int { state.withLock { $0.confirmed } }

    /// Sends a message; waits only while the window is full. It is on the server's disk when ``confirmAll()`` has
    /// returned after it.
    public func publish(_ body: ByteBuffer) async throws { try await publish(body, with: template) }

    /// Sends a message with all that is said of it; of the publisher's own key and headers it carries none.
    public func publish(_ message: OutgoingMessage) async throws {
        try message.check(bodyBytesMax: connection.server.bodyBytesMax)
        try await publish(message.body, with: message.template(to: destination))
    }

    private func publish(_ body: ByteBuffer, with template: PublishTemplate) async throws {
        while true {
            try await wait(for: .room)
            // Before it is counted: with nothing in flight a lost connection is nothing to this publisher.
            let connection = try await connection.connection()
            try state.withLock { state in
                if let failure = state.failure { throw failure }
                state.inFlight += 1
                state.inFlightBytes += body.readableBytes
            }
            do {
                return try connection.publish(template, body: body, for: self)
            } catch let unsent as Connection.NotSent {
                unpublished(bytes: body.readableBytes)
                // The next turn waits for the next connection, or says why there is none.
                guard self.connection.isToReconnect else { throw failed(unsent.reason) }
            }
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

    func refused(_ error: ColaError, bytes: Int) {
        state.withLock { state in
            state.failure = state.failure ?? explained(error, state)
            state.inFlight -= 1
            state.inFlightBytes -= bytes
        }
        resumeWaiting()
    }

    /// With what is known of the messages before, and of those on their way if the connection is lost.
    private func explained(_ error: ColaError, _ state: State) -> ColaError {
        var error = error
        error.confirmed = state.confirmed
        if error.inFlight > 0 { error.inFlight = state.inFlight }
        return error
    }

    private func unpublished(bytes: Int) {
        state.withLock { state in
            state.inFlight -= 1
            state.inFlightBytes -= bytes
        }
        resumeWaiting()
    }

    private func failed(_ error: ColaError) -> any Error {
        let failure = state.withLock { state -> any Error in
            let failure = state.failure ?? explained(error, state)
            state.failure = failure
            return failure
        }
        resumeWaiting()
        return failure
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
