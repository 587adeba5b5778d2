internal import ColaCore
internal import NIOCore

/// Somebody who waits for lines that workers write.
struct OutputReader {
    /// By which its timer finds it.
    var number: UInt64 = 0
    let query: OutputQuery
    var from: OutputPosition
    let reply: (OutputAnswer) -> Void
    var timer: Scheduled<Void>?
}
