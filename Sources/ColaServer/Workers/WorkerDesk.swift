package import ColaCore

/// Whoever runs the workers, as far as those who look and steer need him.
///
/// It is asked on the broker's loop, and answers at once: ``WorkerRows`` has what the answers look like.
package protocol WorkerDesk {
    /// - Parameter now: the monotonic clock.
    /// - Returns: what a client is told. After a failure nothing has changed.
    func answer(_ request: WorkerRequest, at now: Instant) -> Result<WorkerAnswer, BrokerError>
}
