/// Why nothing was done for a ``WorkerRequest``; nothing has changed then.
package enum WorkerFailure: Error, Equatable, Sendable {
    /// This server runs none.
    case undefined
    /// There is no such worker or instance.
    case notFound(String)
    /// What is asked for does not fit the worker.
    case unsuitable(String)
    /// The system does not let the server do it.
    case notPermitted(String)
    /// Not now.
    case busy(String)
    /// The configuration is wrong.
    case misconfigured(String)

    var code: String {
        switch self {
        case .undefined, .notFound: "not_found"
        case .unsuitable: "mismatch"
        case .notPermitted: "access_refused"
        case .busy: "busy"
        case .misconfigured: "configuration"
        }
    }

    var isRetryable: Bool { if case .busy = self { true } else { false } }
}

extension WorkerFailure: CustomStringConvertible {
    /// One line: what happened, to what, and what to do about it.
    package var description: String {
        switch self {
        case .undefined:
            "this server runs no workers; define them under `workers:` in its cola.yaml and start it again"
        case .notFound(let sentence), .unsuitable(let sentence), .notPermitted(let sentence), .busy(let sentence),
            .misconfigured(let sentence):
            sentence
        }
    }
}
