internal import CSpawn
internal import Glibc

/// What a process is given as its standard streams: a body to read, and pipes to write to.
package enum StandardStreams {
    /// - Returns: a descriptor that the caller owns; nil, with the reason in words, if there can be none.
    package static func input(of body: ArraySlice<UInt8>) -> (descriptor: Int32?, problem: String) {
        let descriptor = body.withUnsafeBytes { cola_body($0.baseAddress, $0.count) }
        guard descriptor >= 0 else { return (nil, systemReason(errno)) }
        return (descriptor, "")
    }

    /// A pipe: what a process writes into `write` is read from `read`. Both belong to the caller; nil: there are no
    /// descriptors left.
    package static func pipe() -> (read: Int32, write: Int32)? {
        var ends: [Int32] = [-1, -1]
        guard cola_pipe(&ends) == 0 else { return nil }
        return (ends[0], ends[1])
    }
}
