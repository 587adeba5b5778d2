internal import ColaCore
internal import ColaWorkers

/// An instance of a `client` worker: its process connects by itself.
final class ClientSeat: WorkerSeat {
    let instance: InstanceID
    var definition: WorkerDefinition
    private unowned let host: WorkerHost

    init(_ instance: InstanceID, of definition: WorkerDefinition, host: WorkerHost) {
        self.instance = instance
        self.definition = definition
        self.host = host
    }

    var heldMessage: HeldMessage? { nil }

    func feed() {}

    func stopFeeding() {}

    func provide() throws(ProgramResolution.Problem) -> Provision {
        var environment = host.clientEnvironment
        if let queue = definition.queue { environment.append("COLA_QUEUE=\(queue)") }
        let streams = try ProcessStreams(input: [])
        for descriptor in [streams.output, streams.errors] {
            host.log(descriptor, of: "\(definition.name)/\(instance)")
        }
        return Provision(descriptors: streams.passed, environment: environment)
    }

    /// It is on its own from here on.
    func started(_ process: Int32) { host.isReady(instance) }

    func ended(_ ending: Ending) {}

    func leave() {}
}
