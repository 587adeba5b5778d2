internal import ColaCore
internal import ColaWorkers

/// A process of a worker that connects by itself, as long as anything of it is left.
final class ClientProcess {
    /// 0: it has not been reported as started.
    var id: Int32 = 0
    /// The last lines that it and those below it wrote.
    var output = OutputTail(bytesMax: ClientProcess.outputBytesMax)
    /// Whether it has had a consumer.
    var isReady = false
    /// How it has ended; nil: it has not.
    var ending: Ending?

    /// Of the last lines: much of what a process that lives on wrote is of other messages. Bytes.
    private static let outputBytesMax = 1_024
}

/// A connection of a worker's process, and what it was last seen to have.
struct WorkerConnection {
    let id: ChannelID
    /// At its other end; nil: it is not known, for it came over TCP.
    let peer: Int32?
    let process: ClientProcess
    /// All that was sent over it was read.
    var isOver = false
    /// How the process at its other end has ended.
    var verdict: Ending?
    /// What that process wrote was read.
    var isOutputRead = false
    /// Whether the broker was told how it is fed.
    var wasTold = false
    private var handedOut: UInt64 = 0
    private var settled: UInt64 = 0
    /// What it had at the last look and had not settled.
    var inHand: Int { Int(clamping: handedOut - settled) }

    init(id: ChannelID, peer: Int32?, process: ClientProcess) {
        self.id = id
        self.peer = peer
        self.process = process
    }

    /// - Returns: how many messages it was given and has settled since the last look.
    mutating func see(_ work: ChannelWork) -> (took: Int, settled: Int) {
        let settledNow = work.handedOut - UInt64(work.inHand)
        defer { (handedOut, settled) = (work.handedOut, settledNow) }
        return (Int(clamping: work.handedOut - handedOut), Int(clamping: settledNow - settled))
    }
}
