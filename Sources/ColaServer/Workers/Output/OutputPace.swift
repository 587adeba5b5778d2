internal import NIOCore

/// How much is read from all pipes of workers together: so much in a moment, then they wait for the next one.
///
/// A process that writes without end then waits as well, and the broker's loop has its time for messages.
final class OutputPace {
    private let eventLoop: any EventLoop
    private var left = OutputPace.bytesMax
    private var waiting: [() -> Void] = []
    private var isMomentOver = true

    private static let bytesMax = 512 << 10
    private static let momentMilliseconds: Int64 = 20

    init(on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// So much was read.
    ///
    /// - Parameter resume: is called when more may be read, if not at once.
    /// - Returns: whether more may be read at once.
    func read(_ bytes: Int, resume: @escaping () -> Void) -> Bool {
        if isMomentOver {
            isMomentOver = false
            _ = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Self.momentMilliseconds)) { [self] in end() }
        }
        left -= bytes
        guard left <= 0 else { return true }
        waiting.append(resume)
        return false
    }

    private func end() {
        isMomentOver = true
        left = Self.bytesMax
        let resumed = waiting
        waiting = []
        for resume in resumed { resume() }
    }
}
