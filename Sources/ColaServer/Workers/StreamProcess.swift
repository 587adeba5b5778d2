internal import ColaCore
internal import ColaWorkers
internal import NIOCore

/// One process of a worker of mode `stream`: what it was given, what it wrote, and what is known of its end.
///
/// Its messages may outlive it for a moment: their results are being published, or what it wrote last is being read.
final class StreamProcess {
    var writer: StreamWriter
    var reader: StreamReader
    var holding = StreamHolding()
    /// Written by nobody yet, how many messages that are, and when the first of them came.
    var pending = ByteBuffer()
    var untold = 0
    var givenAt: Now?
    var input: StreamInput?
    var output: OutputPipe?
    var openPipes = 0
    var errors = OutputTail(bytesMax: Attempt.outputBytesMax)
    var number: Int32 = 0
    /// What it could not do, or not now, until that is settled.
    var refusals: [(tag: DeliveryTag, verdict: StreamAnswer.Verdict)] = []
    /// After which nothing that it says counts.
    var defect: StreamDefect?
    var hasClosedInput = false
    var hasWarned = false
    var ending: Ending?
    /// How much of its input it had read when it ended, at most. Bytes.
    var read = 0

    init(_ format: WorkerDefinition.Format, queue: String, bodyBytesMax: Int) {
        writer = StreamWriter(format, queue: queue)
        reader = StreamReader(
            bodyBytesMax: bodyBytesMax, format == .json ? JSONAnswer.parse : StreamNativeAnswer.parse)
    }

    /// Whether it can be given messages.
    var takesMessages: Bool { ending == nil && defect == nil && !hasClosedInput }

    /// Whether all is known of it that there is to know.
    var isOver: Bool { ending != nil && openPipes <= 0 && holding.answered == 0 }
}
