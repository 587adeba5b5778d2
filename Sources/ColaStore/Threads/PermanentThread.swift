internal import Glibc

/// A thread of our own that lives as long as its owner wants.
///
/// Blocking in fsync on a thread of the concurrency pool or of Dispatch would take it from everyone else.
struct PermanentThread: Sendable {
    private let thread: pthread_t

    /// - Parameter name: shown by `ps -L` and `top -H`; at most 15 bytes count.
    init(name: String, body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                PermanentThread.nameThisThread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        precondition(code == 0, "no thread for \(name): \(systemReason(code))")
        self.thread = thread
    }

    /// Waits for the body to return. Once, and not on the thread itself.
    func join() {
        pthread_join(thread, nil)
    }

    /// `pthread_setname_np` is a GNU extension, which Swift does not import. A thread without a name works as well.
    private static func nameThisThread(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        var name = name
        _ = name.withUTF8 { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
    }

    private final class Start {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
}
