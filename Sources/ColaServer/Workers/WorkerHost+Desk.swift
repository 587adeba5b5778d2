internal import ColaCore
internal import ColaWorkers

extension WorkerHost: WorkerDesk {
    func answer(_ request: WorkerRequest, at now: Instant) -> Result<WorkerAnswer, BrokerError> {
        let rows = WorkerRows(of: supervisor, at: now, messageInHand: { [seats] in seats[$0]?.heldMessage })
        switch request {
        case .list: return .success(.rows(rows.workers))
        case .processes: return .success(.rows(rows.processes))
        case .show(let target): return rows.description(of: target).map { .description($0) }
        case .control(let operation, let target):
            do throws(BrokerError) {
                try carryOut(WorkerOrder(operation, target, for: supervisor))
                return .success(.done)
            } catch {
                return .failure(error)
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
