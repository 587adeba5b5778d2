internal import Logging
internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Who started the server and wants to know how it is doing: systemd, or whatever speaks its protocol.
///
/// Source: sd_notify(3), sd_watchdog_enabled(3)
struct ServiceNotifier: Sendable {
    /// What it says in the environment. Programs that the server starts are not concerned.
    static let variables = [
        "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
    ]

    /// Nil: nobody listens.
    private let address: NotifyAddress?
    /// How often to say that the loop still turns; nil: nobody wants to know.
    private let watchdogInterval: TimeAmount?
    private let logger: Logger

    init(_ environment: [String: String], process: Int32 = getpid(), logger: Logger) {
        self.logger = logger
        address = environment["NOTIFY_SOCKET"].flatMap(NotifyAddress.init)
        if let path = environment["NOTIFY_SOCKET"], address == nil {
            logger.warning("NOTIFY_SOCKET is no path that can be written to", metadata: ["path": "\(path)"])
        }
        let isMeant = environment["WATCHDOG_PID"].map { Int32($0) == process } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        // At half of the time, as sd_watchdog_enabled(3) advises.
        watchdogInterval = isMeant && 2...Int64.max / 1_000 ~= microseconds ? .microseconds(microseconds / 2) : nil
    }

    /// Connections are accepted.
    func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

    /// The configuration is being read again; ``ready(_:)`` ends it.
    func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)")
    }

    func stopping() { send("STOPPING=1\nSTATUS=stopping") }

    /// Says from now on that the loop turns, if somebody wants to know. If it hangs, the manager ends the process.
    func watch(_ eventLoop: any EventLoop) {
        guard let watchdogInterval, address != nil else { return }
        eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: watchdogInterval) { _ in send("WATCHDOG=1") }
    }

    private func send(_ text: String) {
        guard let address else { return }
        if let error = address.send(text) {
            logger.warning(
                "the service manager was not told", metadata: ["state": "\(text)", "reason": "\(error)"])
        }
    }
}
