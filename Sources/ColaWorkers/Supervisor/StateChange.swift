package import ColaCore

/// One step of an instance from a state to another, and why.
package struct StateChange: Equatable, Sendable {
    package let instance: InstanceID
    package let worker: WorkerName
    package let from: InstanceState
    package let to: InstanceState
    /// For people; never empty.
    package let reason: String
    package let at: Instant
}
