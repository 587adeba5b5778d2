internal import NIOCore

/// How much is read from all pipes of workers together: so much in a moment, then they wait for the next one.
///
/// A process that writes without end then waits as well, and the broker's loop has its time for messages.
final class OutputPace {
    private let eventLoop: any EventLoop
    private let isBlocked: () -> Bool
    private var left = OutputPace.bytesMax
    private var waiting: [() -> Void] = []
    private var isMomentOver = true

    private static let bytesMax = 512 << 10
    private static let momentMilliseconds: Int64 = 20

    /// - Parameter isBlocked: whether whoever takes what is read can take no more for now.
    init(on eventLoop: any EventLoop, isBlocked: @escaping () -> Bool) {
        self.eventLoop = eventLoop
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
        left = Self.bytesMax
        let resumed = waiting
        waiting = []
        for resume in resumed { resume() }
    }
}
