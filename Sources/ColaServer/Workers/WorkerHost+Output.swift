internal import ColaCore
internal import ColaWorkers
internal import NIOCore

// What processes write, from their pipes to those who look.
extension WorkerHost {
    /// A process is about to be started for the instance. Its streams are handed in line by line as they are read.
    ///
    /// - Parameter message: the one that it is started for, if it is for one.
    func beginOutput(
        of instance: InstanceID, _ worker: WorkerName, for message: OutputLine.Message? = nil
    ) -> ProcessOutput {
        identifyOutput(of: instance, as: nil)
        let source = OutputLine.Source(worker: worker, instance: instance, message: message)
        let process = ProcessOutput(of: source, to: output.taker(of: worker))
        unidentified[instance] = process
        return process
    }

    /// - Parameter process: nil: there is none, and will be none.
    func identifyOutput(of instance: InstanceID, as process: Int32?) {
        unidentified.removeValue(forKey: instance)?.identify(process)
    }

    /// Who was about to be started never was.
    func endUnidentifiedOutput() {
        let processes = unidentified.values
        unidentified = [:]
        for process in processes { process.identify(nil) }
    }

    /// Reads what the process that is about to be started for the instance writes.
    ///
    /// - Parameters:
    ///   - streams: where they are read from; they are closed in the end.
    ///   - receive: hears of it as well.
    func keepOutput(
        of instance: InstanceID, _ worker: WorkerName, _ streams: [(ProgramStream, Int32)],
        receive: @escaping (ByteBuffer) -> Void
    ) {
        let process = beginOutput(of: instance, worker)
        for (stream, descriptor) in streams {
            read(descriptor, of: process) { bytes in
                process.append(bytes, stream)
                receive(bytes)
            } ended: {
                process.end(stream)
            }
        }
    }

    /// Reads a stream of the process, as soon as that is known.
    ///
    /// - Parameters:
    ///   - descriptor: is closed in the end.
    ///   - isResult: it is a message, and no lines for people.
    func read(
        _ descriptor: Int32, of process: ProcessOutput, isResult: Bool = false,
        _ receive: @escaping (ByteBuffer) -> Void, ended: @escaping () -> Void
    ) {
        let pace = isResult ? resultPace : outputPace
        process.whenKnown { [broker] in
            OutputPipe.open(descriptor, on: broker.eventLoop, pace: pace, receive: receive, ended: ended)
        }
    }
}
