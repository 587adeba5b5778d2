internal import Glibc

/// The thread that speaks with the keeper. It lives from the first request to the end, because it waits for both the
/// keeper and the broker, and blocking on a thread of the concurrency pool would take it from everyone else.
struct KeeperThread: Sendable {
    private let thread: pthread_t

    init(body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(body: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                start.body()
                return nil
            }, start.toOpaque())
        precondition(code == 0, "no thread for the keeper: \(systemReason(code))")
        self.thread = thread
    }

    /// Waits for the body to return. Once, and not on the thread itself.
    func join() {
        pthread_join(thread, nil)
    }

    private final class Start {
        let body: @Sendable () -> Void

        init(body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
