internal import ColaCore
internal import ColaWorkers

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

// The niceness of processes that run.
extension WorkerHost {
    /// Answers when the kernel has said yes or no to each of them.
    ///
    /// - Parameter target: how whoever asks calls them.
    /// - Throws: if none of them has a process.
    func nice(
        _ instances: [InstanceID], of target: String, _ value: Int,
        _ then: @escaping (Result<WorkerAnswer, BrokerError>) -> Void
    ) throws(BrokerError) {
        let processes = instances.compactMap { instance in running[instance].map { (instance, $0) } }
        guard !processes.isEmpty else {
            throw .worker(
                .unsuitable(
                    "no process of \(target) runs now; `nice` in its definition is for those that are started"))
        }
        var answers = Answers(missing: processes.count)
        for (instance, process) in processes {
            renicing[process, default: []].append { error in
                answers.take(error, of: "\(target) (instance \(instance))", value)
                if answers.missing == 0 { then(answers.result(of: target)) }
            }
            keeper?.send(.renice(process, value: Int32(value)))
        }
    }

    /// What came of it for each process.
    private struct Answers {
        var missing: Int
        private var done = 0
        private var refusal: BrokerError?

        init(missing: Int) { self.missing = missing }

        mutating func take(_ error: Int32, of instance: String, _ value: Int) {
            missing -= 1
            switch error {
            case 0: done += 1
            // It has ended meanwhile, which needs no niceness.
            case ESRCH: break
            case EACCES, EPERM:
                refusal = .worker(
                    .notPermitted(
                        "the system does not let the server set the niceness of \(instance) to \(value): only root may "
                            + "lower one (or a limit of RLIMIT_NICE that allows it), and set that of another user's "
                            + "processes"))
            default:
                refusal = .worker(
                    .unsuitable("the niceness of \(instance) cannot be set to \(value): \(systemReason(error))"))
            }
        }

        func result(of target: String) -> Result<WorkerAnswer, BrokerError> {
            if let refusal { return .failure(refusal) }
            guard done > 0 else {
                return .failure(.worker(.unsuitable("the processes of \(target) ended before it could be done")))
            }
            return .success(.done)
        }
    }
}
