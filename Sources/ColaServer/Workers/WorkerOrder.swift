package import ColaCore
package import ColaWorkers

/// What an administrator wants done with workers, in the words of whoever runs them.
package enum WorkerOrder: Equatable, Sendable {
    /// For ``Supervisor/apply(_:to:at:)``.
    case command(OperatorCommand, OperatorCommand.Target)
    /// To the processes of these instances, and nothing else: what follows from it, the rule for restarts says.
    case signal(Signal, [InstanceID])
    /// The niceness of the processes that these instances have now.
    case nice(Int, [InstanceID])

    /// - Throws: ``BrokerError`` if there is no such worker or instance, or no such signal.
    package init(
        _ operation: WorkerRequest.Operation, _ target: WorkerRequest.Target, for supervisor: Supervisor
    ) throws(BrokerError) {
        var place = OperatorCommand.Target.worker(try supervisor.worker(named: target.worker).definition.name)
        if let number = target.instance {
            place = .instance(try supervisor.instance(number, of: target.worker).id)
        }
        switch operation {
        case .start: self = .command(.start, place)
        case .stop: self = .command(.stop, place)
        case .restart: self = .command(.restart, place)
        case .scale(let range): self = .command(.scale(range), place)
        case .pause: self = .command(.pause, place)
        case .resume: self = .command(.resume, place)
        case .kill(nil): self = .command(.kill, place)
        case .kill(let text?):
            guard let signal = Signal(text) else {
                throw .badArgument(
                    "there is no signal '\(text)'; write its name, such as TERM or SIGUSR1, or its number, 1 to 64")
            }
            self = signal == .kill ? .command(.kill, place) : .signal(signal, supervisor.instances(of: place))
        case .nice(let value): self = .nice(value, supervisor.instances(of: place))
        }
    }
}

extension Supervisor {
    func worker(named text: String) throws(BrokerError) -> WorkerStatus {
        let workers = status
        if let worker = workers.first(where: { $0.definition.name.description == text }) { return worker }
        let near = Spelling.nearest(to: text, among: workers.map(\.definition.name.description))
        let hint = near.map { "did you mean \($0)?" } ?? "`cola workers` lists them"
        throw .worker(.notFound("there is no worker '\(text)'; \(hint)"))
    }

    /// - Throws: also if there is one of the number, but of another worker.
    func instance(_ number: UInt64, of worker: String) throws(BrokerError) -> InstanceStatus {
        guard let status = status(of: InstanceID(number)), status.worker.description == worker else {
            throw .worker(
                .notFound(
                    "there is no instance \(worker)/\(number); it may have ended, `cola ps` lists those that are there"
                ))
        }
        return status
    }

    fileprivate func instances(of target: OperatorCommand.Target) -> [InstanceID] {
        switch target {
        case .worker(let name): status(of: name)?.instances.map(\.id) ?? []
        case .instance(let id): [id]
        }
    }
}

extension BrokerError {
    /// What a client is told of it.
    package init(_ error: SupervisorError) {
        switch error {
        case .noWorker, .noInstance: self = .worker(.notFound(error.description))
        case .scalesWorkersOnly, .tooMany, .noQueue: self = .worker(.unsuitable(error.description))
        case .shuttingDown: self = .worker(.busy(error.description))
        }
    }
}
