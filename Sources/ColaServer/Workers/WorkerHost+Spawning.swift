internal import ColaCore
internal import ColaWorkers
internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

// From what a worker is defined as to a process that runs.
extension WorkerHost {
    func spawn(_ instance: InstanceID, _ definition: WorkerDefinition) {
        let provision: Provision
        do throws(ProgramResolution.Problem) {
            provision = try seat(of: instance, definition).provide()
        } catch {
            return apply(.startFailed(instance, error.sentence))
        }
        let spec: ProcessSpec
        do throws(ProgramResolution.Problem) {
            spec = try resolution.spec(of: definition, instance, message: provision.environment)
        } catch {
            for descriptor in provision.descriptors { close(descriptor) }
            output.started(instance, nil)
            return apply(.startFailed(instance, error.sentence))
        }
        lastProcess += 1
        let process = SpawnID(lastProcess)
        processes[process] = instance
        running[instance] = process
        keeper?.send(.spawn(process, spec), descriptors: provision.descriptors)
    }

    /// Reads what the process that is about to be started for the instance writes, for those who look.
    ///
    /// - Parameters:
    ///   - streams: where they are read from; they are closed in the end.
    ///   - receive: hears of it as well.
    func keepOutput(
        of instance: InstanceID, _ worker: WorkerName, _ streams: [(ProgramStream, Int32)],
        receive: @escaping (ByteBuffer) -> Void
    ) {
        let process = output.begin(OutputLine.Source(worker: worker, instance: instance))
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
    /// - Parameter descriptor: is closed in the end.
    func read(
        _ descriptor: Int32, of process: ProcessOutput, _ receive: @escaping (ByteBuffer) -> Void,
        ended: @escaping () -> Void
    ) {
        process.whenKnown { [broker, outputPace] in
            OutputPipe.open(descriptor, on: broker.eventLoop, pace: outputPace, receive: receive, ended: ended)
        }
    }
}
