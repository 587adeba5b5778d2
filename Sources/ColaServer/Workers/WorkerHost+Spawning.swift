internal import ColaWorkers
internal import Logging
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
            return apply(.startFailed(instance, error.sentence))
        }
        lastProcess += 1
        let process = SpawnID(lastProcess)
        processes[process] = instance
        running[instance] = process
        keeper?.send(.spawn(process, spec), descriptors: provision.descriptors)
    }

    /// What a process that lives on writes is the log's, and `receive` hears of it.
    func log(_ descriptor: Int32, of instance: String, _ receive: @escaping (ByteBuffer) -> Void) {
        let logger = logger
        let lines = OutputLines { line in
            logger.info("a worker says", metadata: ["instance": "\(instance)", "line": "\(line)"])
        }
        OutputPipe.open(
            descriptor, on: broker.eventLoop,
            receive: { bytes in
                lines.append(bytes.readableBytesView)
                receive(bytes)
            }, ended: { lines.end() })
    }
}
