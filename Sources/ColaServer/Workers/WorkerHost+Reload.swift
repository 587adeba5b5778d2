internal import ColaCore
internal import ColaWorkers
internal import Logging
internal import NIOCore

// The configuration is read again while everything goes on.
extension WorkerHost {
    /// What has changed of the workers holds from then on.
    ///
    /// - Parameters:
    ///   - isDryRun: nothing is changed.
    ///   - then: is called on the loop, with what is different.
    func reload(isDryRun: Bool, then: @escaping (Result<SettingsDifference, BrokerError>) -> Void) {
        guard !isReloading else {
            return then(.failure(.worker(.busy("the configuration is being read already; ask again in a moment"))))
        }
        isReloading = true
        let read = read
        let bound = NIOLoopBound((host: self, then: then), eventLoop: broker.eventLoop)
        broker.eventLoop.makeFutureWithTask { try read() }.whenComplete { result in
            let (host, then) = bound.value
            host.isReloading = false
            then(host.take(result, isDryRun: isDryRun))
        }
    }

    private func take(
        _ result: Result<Settings, any Error>, isDryRun: Bool
    ) -> Result<SettingsDifference, BrokerError> {
        guard allGone == nil, !isAllGone else { return .failure(BrokerError(SupervisorError.shuttingDown)) }
        do {
            let new = try result.get()
            try new.checkWorkers()
            var difference = SettingsDifference(from: settings, to: new)
            guard !isDryRun else { return .success(difference) }
            difference.isApplied = true
            logger.info("the configuration was read again", metadata: ["changes": "\(difference.summary)"])
            settings.takeWorkers(of: new)
            start(new.workers)
            return .success(difference)
        } catch {
            let sentence = "\(error); nothing was changed"
            logger.error("the configuration cannot be taken on", metadata: ["reason": "\(sentence)"])
            return .failure(.worker(.misconfigured(sentence)))
        }
    }
}
