package import ColaCore

/// Whoever runs the workers, as far as those who look and steer need him.
///
/// It is asked on the broker's loop: ``WorkerRows`` has what the answers look like.
package protocol WorkerDesk {
    /// - Parameters:
    ///   - now: the monotonic clock.
    ///   - then: takes what the client is told, once and on the loop, at once or later. After a failure nothing has
    ///     changed, unless it says otherwise.
    func answer(
        _ request: WorkerRequest, at now: Instant, then: @escaping (Result<WorkerAnswer, BrokerError>) -> Void)
}
