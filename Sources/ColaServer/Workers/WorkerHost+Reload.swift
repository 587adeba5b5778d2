internal import ColaCore
internal import ColaTLS
internal import ColaWorkers
internal import Logging
internal import NIOCore

// The configuration is read again while everything goes on.
extension WorkerHost {
    /// What has changed of the workers and of the certificates holds from then on.
    ///
    /// - Parameters:
    ///   - isDryRun: nothing is changed.
    ///   - then: is called on the loop, with what is different.
    func reload(isDryRun: Bool, then: @escaping (Result<SettingsDifference, BrokerError>) -> Void) {
        guard !isReloading else {
            return then(.failure(.worker(.busy("the configuration is being read already; ask again in a moment"))))
        }
        isReloading = true
        let (read, isSecure) = (read, certificates != nil)
        let bound = NIOLoopBound((host: self, then: then), eventLoop: broker.eventLoop)
        broker.eventLoop.makeFutureWithTask {
            let settings = try read()
            return (settings, isSecure ? try settings.tls.map { try TLSContext($0) } : nil)
        }.whenComplete { result in
            let (host, then) = bound.value
            host.isReloading = false
            then(host.take(result, isDryRun: isDryRun))
        }
    }

    private func take(
        _ result: Result<(Settings, TLSContext?), any Error>, isDryRun: Bool
    ) -> Result<SettingsDifference, BrokerError> {
        guard allGone == nil, !isAllGone else { return .failure(BrokerError(SupervisorError.shuttingDown)) }
        do {
            let (new, context) = try result.get()
            try new.checkWorkers()
            var difference = SettingsDifference(from: settings, to: new)
            if let certificates, let context {
                difference.hasNewCertificates = !context.isSame(as: certificates.current)
            }
            guard !isDryRun else { return .success(difference) }
            difference.isApplied = true
            logger.info("the configuration was read again", metadata: ["changes": "\(difference.summary)"])
            if let context {
                certificates?.current = context
                context.warnIfOver(at: broker.now.wall, logger)
            }
            settings.takeCertificates(of: new)
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
