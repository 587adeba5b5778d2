internal import NIOCore

/// How much is read from all pipes of workers together: so much in a moment, then they wait for the next one.
///
/// A process that writes without end then waits as well, and the broker's loop has its time for messages.
final class OutputPace {
    private let eventLoop: any EventLoop
    private let isBlocked: () -> Bool
    private let bytesMax: Int
    private var left: Int
    private var waiting: [() -> Void] = []
    private var isMomentOver = true

    private static let momentMilliseconds: Int64 = 20
    /// Of lines for people: 6 MiB in a second. Whoever writes more is not read by anybody.
    static let linesMax = 128 << 10
    /// Of results, which are messages: 200 MiB in a second.
    static let resultsMax = 4 << 20

    /// - Parameters:
    ///   - bytesMax: in a moment of 20 ms.
    ///   - isBlocked: whether whoever takes what is read can take no more for now.
    init(_ bytesMax: Int, on eventLoop: any EventLoop, isBlocked: @escaping () -> Bool) {
        self.eventLoop = eventLoop
        self.bytesMax = bytesMax
        left = bytesMax
        self.isBlocked = isBlocked
    }

    /// So much was read.
    ///
    /// - Parameter resume: is called when more may be read, if not at once.
    /// - Returns: whether more may be read at once.
    func read(_ bytes: Int, resume: @escaping () -> Void) -> Bool {
        if isMomentOver {
            isMomentOver = false
            endLater()
        }
        left -= bytes
        guard left <= 0 else { return true }
        waiting.append(resume)
        return false
    }

    private func endLater() {
        _ = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Self.momentMilliseconds)) { [self] in end() }
    }

    private func end() {
        guard !isBlocked() else { return endLater() }
        isMomentOver = true
        left = bytesMax
        let resumed = waiting
        waiting = []
        for resume in resumed { resume() }
    }
}
