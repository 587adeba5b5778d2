import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Catches SIGINT and SIGTERM while it exists, so that a command can put things in order before it ends.
///
/// A second signal ends the process at once: whoever presses ^C twice means it.
final class StopSignals {
    private let sources: [any DispatchSourceSignal]

    init(_ stop: @escaping @Sendable (Int32) -> Void) {
        let watching = DispatchSemaphore(value: 0)
        sources = [SIGINT, SIGTERM].map { number in
            // Without this the signal's default action comes first.
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                _ = signal(number, SIG_DFL)
                stop(number)
            }
            source.setRegistrationHandler { watching.signal() }
            source.resume()
            return source
        }
        // Until they are watched they are only ignored: one that came now would be lost.
        for _ in sources { watching.wait() }
    }

    deinit {
        for source in sources { source.cancel() }
        for number in [SIGINT, SIGTERM] { _ = signal(number, SIG_DFL) }
    }
}
