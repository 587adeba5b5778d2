internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

/// Has the server read its configuration again at SIGHUP. What comes of it is to be read in the log.
final class Reloading: Service {
    private struct Target {
        let host: NIOLoopBound<WorkerHost>
        let eventLoop: any EventLoop
        let status: String
    }

    private let notifier: ServiceNotifier

    /// Nil: the server is not that far, and has just read its configuration.
    private let target = Mutex<Target?>(nil)

    init(_ notifier: ServiceNotifier) { self.notifier = notifier }

    /// - Parameter status: what a service manager is told when it is done.
    func begin(_ host: NIOLoopBound<WorkerHost>, _ status: String, on eventLoop: any EventLoop) {
        target.withLock { $0 = Target(host: host, eventLoop: eventLoop, status: status) }
    }

    func run() async {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            guard let target = target.withLock({ $0 }) else { continue }
            let notifier = notifier
            notifier.reloading()
            target.eventLoop.execute {
                target.host.value.reload(isDryRun: false) { _ in notifier.ready(target.status) }
            }
        }
    }
}
