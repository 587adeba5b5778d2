internal import ColaCore
internal import ColaWorkers
internal import NIOCore

/// What one process, and whatever it starts, writes to its two streams.
///
/// Its number is known a moment after it runs, and it may have written by then: so long its pipes are not read.
final class ProcessOutput {
    private let worker: any OutputTaker
    private var source: OutputLine.Source
    private var streams = [ProgramStream.out: Stream(), .err: Stream()]
    /// What is to be done when the process is known; nil: it is.
    private var waiting: [() -> Void]? = []

    private struct Stream {
        var lines = OutputLines()
        /// Lines that were not kept since the last one that was.
        var dropped = 0
    }

    init(of source: OutputLine.Source, to worker: any OutputTaker) {
        self.source = source
        self.worker = worker
    }

    func append(_ bytes: ByteBuffer, _ stream: ProgramStream) {
        guard var state = streams.removeValue(forKey: stream) else { return }
        defer { streams[stream] = state }
        worker.refill()
        bytes.withUnsafeReadableBytes { memory in
            var rest = memory[...]
            while worker.isOpen, let line = state.lines.next(in: &rest) {
                add(line, stream, &state)
            }
            if !rest.isEmpty { state.dropped += state.lines.skip(rest) }
        }
    }

    /// Nothing more comes on this stream.
    func end(_ stream: ProgramStream) {
        guard var state = streams.removeValue(forKey: stream) else { return }
        if let line = state.lines.end() { add(line, stream, &state) }
        if state.dropped > 0 { worker.add(.dropped(state.dropped), source, stream) }
    }

    /// Does it when the process is known, or will never be.
    func whenKnown(_ body: @escaping () -> Void) {
        if waiting == nil { body() } else { waiting?.append(body) }
    }

    /// - Parameter process: nil: it will never be known.
    func identify(_ process: Int32?) {
        guard let waiting else { return }
        self.waiting = nil
        source.process = process
        for body in waiting { body() }
    }

    private func add(_ line: OutputLines.Line, _ stream: ProgramStream, _ state: inout Stream) {
        if state.dropped > 0 {
            worker.add(.dropped(state.dropped), source, stream)
            state.dropped = 0
        }
        worker.add(.text(line.text, isCut: line.isCut), source, stream)
    }
}
