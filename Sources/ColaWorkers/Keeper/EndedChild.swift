internal import CSpawn
internal import Glibc

/// How a child of this process ended, and what it used.
struct EndedChild {
    let process: Int32
    let status: ExitStatus
    let usage: ResourceUsage

    private init(_ raw: cola_exit) {
        process = raw.process
        status = raw.is_signal ? .signal(raw.code, isCoreDumped: raw.is_core_dumped) : .code(raw.code)
        usage = ResourceUsage(
            userMicroseconds: raw.user_microseconds, systemMicroseconds: raw.system_microseconds,
            residentBytesMost: raw.resident_bytes_most)
    }

    enum Answer {
        case ended(EndedChild)
        case noneYet
        /// There is no such child.
        case noChild
    }

    /// A child that has ended and was not collected: `process`, or any.
    ///
    /// As long as a dead child is kept, its number, and those of the session and process group it led, are nobody
    /// else's.
    static func find(_ process: Int32? = nil, keep: Bool) -> Answer {
        var raw = cola_exit()
        switch cola_process_ended(process ?? 0, keep, &raw) {
        case 0: return .noneYet
        case 1...: return .ended(EndedChild(raw))
        default: return .noChild
        }
    }
}
