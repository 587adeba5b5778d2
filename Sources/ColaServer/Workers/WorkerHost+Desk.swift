internal import ColaCore
internal import ColaWorkers

extension WorkerHost: WorkerDesk {
    func answer(
        _ request: WorkerRequest, at now: Instant, then: @escaping (Result<WorkerAnswer, BrokerError>) -> Void
    ) {
        let rows = WorkerRows(of: supervisor, at: now, messageInHand: { [seats] in seats[$0]?.heldMessage })
        switch request {
        case .list: then(.success(.rows(rows.workers)))
        case .processes: then(.success(.rows(rows.processes)))
        case .reload(let isDryRun): reload(isDryRun: isDryRun) { then($0.map { .description($0.description) }) }
        case .child(let channel, let request): then(answer(request, of: channel))
        case .show where supervisor.status.isEmpty, .control where supervisor.status.isEmpty:
            then(.failure(.worker(.undefined)))
        case .show(let target): then(rows.description(of: target).map { .description($0) })
        case .control(let operation, let target):
            do throws(BrokerError) {
                try carryOut(WorkerOrder(operation, target, for: supervisor))
                then(.success(.done))
            } catch {
                then(.failure(error))
            }
        }
    }

    private func carryOut(_ order: WorkerOrder) throws(BrokerError) {
        switch order {
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
    }
}
