internal import ColaCore
internal import ColaWorkers

extension WorkerHost: WorkerDesk {
    func answer(
        _ request: WorkerRequest, at now: Instant, then: @escaping (Result<WorkerAnswer, BrokerError>) -> Void
    ) {
        let rows = WorkerRows(of: supervisor, at: now, messageInHand: { [seats] in seats[$0]?.heldMessage })
        do throws(BrokerError) {
            switch request {
            case .list: then(.success(.rows(rows.workers)))
            case .processes: then(.success(.rows(rows.processes)))
            case .reload(let isDryRun): reload(isDryRun: isDryRun) { then($0.map { .description($0.description) }) }
            case .child(let channel, let request): then(answer(request, of: channel))
            case .show where supervisor.status.isEmpty, .control where supervisor.status.isEmpty,
                .output where supervisor.status.isEmpty:
                throw .worker(.undefined)
            case .show(let target): then(.success(.description(try show(target, in: rows))))
            case .output(let query):
                guard let archive else { throw .worker(.undefined) }
                archive.read(query, of: try workers(of: query)) { then(.success(.description($0.description))) }
            case .control(let operation, let target):
                try carryOut(WorkerOrder(operation, target, for: supervisor), on: target.name, then)
            }
        } catch {
            then(.failure(error))
        }
    }

    /// What is known of an instance, and the last lines that it has written.
    private func show(_ target: WorkerRequest.Target, in rows: WorkerRows) throws(BrokerError) -> Description {
        var description = try rows.description(of: target).get()
        if let archive, let name = WorkerName(target.worker), let instance = target.instance.map({ InstanceID($0) }) {
            let lines = archive.last(Self.linesShown, of: name, instance)
            description.add("output", .list(lines.map { .fields($0.row) }))
        }
        return description
    }

    /// Of its output, in the description of an instance.
    private static let linesShown = 10

    /// An instance may be no more: what it has written is still there.
    private func workers(of query: OutputQuery) throws(BrokerError) -> [WorkerName] {
        guard let target = query.target else { return supervisor.status.map(\.definition.name) }
        return [try supervisor.worker(named: target.worker).definition.name]
    }

    private func carryOut(
        _ order: WorkerOrder, on target: String, _ then: @escaping (Result<WorkerAnswer, BrokerError>) -> Void
    ) throws(BrokerError) {
        switch order {
        case .nice(let value, let instances): return try nice(instances, of: target, value, then)
        case .command(let command, let target):
            do throws(SupervisorError) {
                actions += try supervisor.apply(command, to: target, at: now.monotonic)
            } catch {
                throw BrokerError(error)
            }
            act()
            schedule()
            seeWhoIsScaled()
        case .signal(let signal, let instances):
            for instance in instances {
                if let process = running[instance] {
                    keeper?.send(.signal(process, number: signal.number, .process))
                }
            }
        }
        then(.success(.done))
    }
}
