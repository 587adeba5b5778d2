internal import ColaCore
internal import ColaWorkers
internal import NIOCore

/// What one process, and whatever it starts, writes to its two streams.
///
/// Its number is known a moment after it runs, and it may have written by then: so long its lines wait.
final class ProcessOutput {
    private let worker: WorkerOutput.Worker
    private var source: OutputLine.Source
    private var streams = [ProgramStream.out: Stream(), .err: Stream()]
    private var isKnown = false
    private var waiting: [(ProgramStream, OutputLines.Line)] = []
    private var waitingBytes = 0

    private struct Stream {
        var lines = OutputLines()
        /// Lines that were not kept since the last one that was.
        var dropped = 0
    }

    private static let waitingBytesMax = 64 << 10

    init(of source: OutputLine.Source, in worker: WorkerOutput.Worker) {
        self.source = source
        self.worker = worker
    }

    func append(_ bytes: ByteBuffer, _ stream: ProgramStream) {
        guard var state = streams.removeValue(forKey: stream) else { return }
        defer { streams[stream] = state }
        worker.refill()
        bytes.withUnsafeReadableBytes { memory in
            var rest = memory[...]
            while worker.isOpen, waitingBytes < Self.waitingBytesMax, let line = state.lines.next(in: &rest) {
                add(line, stream, &state)
            }
            if !rest.isEmpty { state.dropped += state.lines.skip(rest) }
        }
    }

    /// Nothing more comes on this stream.
    func end(_ stream: ProgramStream) {
        guard var state = streams.removeValue(forKey: stream) else { return }
        if let line = state.lines.end() { add(line, stream, &state) }
        if state.dropped > 0, isKnown { worker.add(.dropped(state.dropped), source, stream) }
    }

    /// - Parameter process: nil: it will never be known.
    func identify(_ process: Int32?) {
        guard !isKnown else { return }
        isKnown = true
        source.process = process
        for (stream, line) in waiting { worker.add(.text(line.text, isCut: line.isCut), source, stream) }
        waiting = []
        waitingBytes = 0
    }

    private func add(_ line: OutputLines.Line, _ stream: ProgramStream, _ state: inout Stream) {
        guard isKnown else {
            waiting.append((stream, line))
            waitingBytes += OutputLine.overheadBytes + line.text.utf8.count
            return
        }
        if state.dropped > 0 {
            worker.add(.dropped(state.dropped), source, stream)
            state.dropped = 0
        }
        worker.add(.text(line.text, isCut: line.isCut), source, stream)
    }
}
