internal import ColaWorkers

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The standard streams of a process that is about to be started: a body or a pipe to read, and two pipes to write to.
struct ProcessStreams {
    /// What becomes its descriptors 0, 1 and 2.
    let passed: [Int32]
    /// Where its standard input is written to; nil: that is a body.
    let input: Int32?
    /// Where its standard output is read from.
    let output: Int32
    /// Where its standard error is read from.
    let errors: Int32

    /// Its standard input is a pipe.
    ///
    /// - Throws: the reason in words; nothing is left open then.
    init() throws(ProgramResolution.Problem) {
        guard let input = StandardStreams.pipe() else {
            throw .init(sentence: "there are no descriptors left for its input")
        }
        do throws(ProgramResolution.Problem) {
            try self.init(reading: input.read, input: input.write)
        } catch {
            close(input.write)
            throw error
        }
    }

    /// - Throws: the reason in words; nothing is left open then.
    init(input body: ArraySlice<UInt8>) throws(ProgramResolution.Problem) {
        let body = StandardStreams.input(of: body)
        guard let input = body.descriptor else {
            throw .init(sentence: "there is no memory for its standard input: \(body.problem)")
        }
        try self.init(reading: input, input: nil)
    }

    private init(reading input: Int32, input written: Int32?) throws(ProgramResolution.Problem) {
        guard let output = StandardStreams.pipe() else {
            close(input)
            throw .init(sentence: "there are no descriptors left for its output")
        }
        guard let errors = StandardStreams.pipe() else {
            for descriptor in [input, output.read, output.write] { close(descriptor) }
            throw .init(sentence: "there are no descriptors left for its output")
        }
        passed = [input, output.write, errors.write]
        self.input = written
        self.output = output.read
        self.errors = errors.read
    }
}
