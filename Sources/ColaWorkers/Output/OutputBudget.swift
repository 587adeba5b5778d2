package import ColaCore

/// How much a worker may write: a burst, and after it so much in a second. What is more is counted and not kept, so
/// that a program that writes without end takes nothing from others.
package struct OutputBudget: Sendable {
    private let bytesPerSecond: Int
    private let burstBytes: Int
    private var left: Int
    private var last: Instant
    private var isSpent = false

    /// What counts for a line besides its bytes.
    private static let lineBytes = 128

    package init(bytesPerSecond: Int, burstBytes: Int, at now: Instant) {
        self.bytesPerSecond = bytesPerSecond
        self.burstBytes = burstBytes
        left = burstBytes
        last = now
    }

    /// Time has passed.
    package mutating func refill(at now: Instant) {
        let nanoseconds = max(0, now.rawValue - last.rawValue)
        let gain = Double(nanoseconds) / 1e9 * Double(bytesPerSecond)
        guard gain >= 1 else { return }
        left = min(burstBytes, left + Int(min(gain, Double(burstBytes))))
        last = now
        // A tenth of a second's worth, so that there are runs of lines and not single ones with gaps between them.
        if left >= bytesPerSecond / 10 { isSpent = false }
    }

    /// Whether there is something left.
    package var isOpen: Bool { !isSpent }

    /// Takes a line out of it.
    package mutating func take(bytes: Int) {
        left -= bytes + Self.lineBytes
        if left <= 0 { isSpent = true }
    }
}
