import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Looks at a load twenty times a second while it runs, for what only shows meanwhile.
final class BenchWatch: Sendable {
    struct Peaks: Sendable {
        /// Messages that were confirmed and not consumed.
        var backlog = 0
        /// Memory of the broker that is no file's. Bytes.
        var anonymousBytes: Int?
    }

    private let found = Mutex(Peaks())
    private let progress: BenchProgress
    private let broker: pid_t?

    init(_ progress: BenchProgress, broker: pid_t?) {
        self.progress = progress
        self.broker = broker
    }

    var peaks: Peaks { found.withLock { $0 } }

    /// Until it is cancelled, and once more then.
    func run() async {
        repeat { look() } while (try? await Task.sleep(for: .milliseconds(50))) != nil
        look()
    }

    private func look() {
        let backlog = progress.confirmed - progress.consumed
        let bytes = broker.flatMap { ProcessUsage(process: $0) }?.anonymousBytes
        found.withLock { peaks in
            peaks.backlog = max(peaks.backlog, backlog)
            if let bytes { peaks.anonymousBytes = max(peaks.anonymousBytes ?? 0, bytes) }
        }
    }
}
