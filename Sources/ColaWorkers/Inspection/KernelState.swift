/// What the kernel's scheduler says of a process.
///
/// Source: proc_pid_stat(5)
package enum KernelState: Equatable, Sendable, CustomStringConvertible {
    /// On a processor, or waiting for one.
    case running
    /// Waits for something, and a signal wakes it.
    case sleeping
    /// Waits for a device, and no signal wakes it.
    case diskSleep
    case stopped
    case traced
    /// It has ended, and its parent has not asked how.
    case zombie
    case dead
    case idle
    /// A letter of a kernel that is newer than this table.
    case other(UInt8)

    init(letter: UInt8) {
        switch letter {
        case UInt8(ascii: "R"): self = .running
        case UInt8(ascii: "S"): self = .sleeping
        case UInt8(ascii: "D"): self = .diskSleep
        case UInt8(ascii: "T"): self = .stopped
        case UInt8(ascii: "t"): self = .traced
        case UInt8(ascii: "Z"): self = .zombie
        case UInt8(ascii: "X"), UInt8(ascii: "x"): self = .dead
        case UInt8(ascii: "I"): self = .idle
        default: self = .other(letter)
        }
    }

    package var description: String {
        switch self {
        case .running: "running"
        case .sleeping: "sleeping"
        case .diskSleep: "disk sleep"
        case .stopped: "stopped"
        case .traced: "traced"
        case .zombie: "zombie"
        case .dead: "dead"
        case .idle: "idle"
        case .other(let letter): "state \(String(UnicodeScalar(letter)))"
        }
    }
}
