import Synchronization

/// How far a command is, on one line of standard error that is written over ten times a second. Only on a terminal.
final class ProgressBar: Sendable {
    private struct State: Sendable {
        var done = 0
        var total: Int?
        var text = ""
    }

    private let state = Mutex(State())
    private let started = monotonicNanoseconds()

    /// - Parameters:
    ///   - done: how much of the total; any unit.
    ///   - total: nil where it is not known; then there is no bar.
    func update(done: Int, of total: Int?, _ text: @autoclosure () -> String) {
        state.withLock { state in
            state.done = done
            state.total = total
            state.text = text()
        }
    }

    /// Draws until it is cancelled, then clears the line.
    func draw() async {
        guard Terminal.isStandardError else { return }
        while (try? await Task.sleep(for: .milliseconds(100))) != nil { write("\r" + line() + "\u{1B}[K") }
        write("\r\u{1B}[K")
    }

    private func line() -> String {
        let state = state.withLock { $0 }
        let seconds = Double(monotonicNanoseconds() - started) / 1e9
        guard let total = state.total, total > 0 else { return "\(state.text)  \(Int(seconds)) s" }
        let part = min(1, Double(state.done) / Double(total))
        let filled = Int(part * 30)
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        return "[\(bar)] \(Int(part * 100)) %  \(state.text)"
    }

    private func write(_ text: String) {
        var output = Output(descriptor: 2)
        output.append { $0.append(contentsOf: text.utf8) }
        try? output.flush()
    }
}
