internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

/// Has the server read its configuration again at SIGHUP. What comes of it is to be read in the log.
final class Reloading: Service {
    private struct Target {
        let host: NIOLoopBound<WorkerHost>
        let eventLoop: any EventLoop
    }

    /// Nil: the server is not that far, and has just read its configuration.
    private let target = Mutex<Target?>(nil)

    func begin(_ host: NIOLoopBound<WorkerHost>, on eventLoop: any EventLoop) {
        target.withLock { $0 = Target(host: host, eventLoop: eventLoop) }
    }

    func run() async {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            guard let target = target.withLock({ $0 }) else { continue }
            target.eventLoop.execute { target.host.value.reload(isDryRun: false) { _ in } }
        }
    }
}
