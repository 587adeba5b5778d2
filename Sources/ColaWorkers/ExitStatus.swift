/// How a process ended.
package enum ExitStatus: Equatable, Sendable, CustomStringConvertible {
    /// It ended by itself: 0 to 255.
    case code(Int32)
    case signal(Int32, isCoreDumped: Bool)

    package var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let number, let isCoreDumped):
            "killed by \(Signal(number))" + (isCoreDumped ? " (core dumped)" : "")
        }
    }
}
