internal import ColaWorkers

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The standard streams of a process that is about to be started: a body to read, and two pipes to write to.
struct ProcessStreams {
    /// What becomes its descriptors 0, 1 and 2.
    let passed: [Int32]
    /// Where its standard output is read from.
    let output: Int32
    /// Where its standard error is read from.
    let errors: Int32

    /// - Throws: the reason in words; nothing is left open then.
    init(input body: ArraySlice<UInt8>) throws(ProgramResolution.Problem) {
        let body = StandardStreams.input(of: body)
        guard let input = body.descriptor else {
            throw .init(sentence: "there is no memory for its standard input: \(body.problem)")
        }
        guard let output = StandardStreams.pipe() else {
            close(input)
            throw .init(sentence: "there are no descriptors left for its output")
        }
        guard let errors = StandardStreams.pipe() else {
            for descriptor in [input, output.read, output.write] { close(descriptor) }
            throw .init(sentence: "there are no descriptors left for its output")
        }
        passed = [input, output.write, errors.write]
        self.output = output.read
        self.errors = errors.read
    }
}
