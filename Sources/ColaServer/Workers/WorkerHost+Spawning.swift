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
            identifyOutput(of: instance, as: nil)
            return apply(.startFailed(instance, error.sentence))
        }
        lastProcess += 1
        let process = SpawnID(lastProcess)
        processes[process] = instance
        running[instance] = process
        keeper?.send(.spawn(process, spec), descriptors: provision.descriptors)
    }
}
