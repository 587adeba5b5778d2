package import ColaCore

/// What is to be seen of an instance.
package struct InstanceStatus: Equatable, Sendable {
    package let id: InstanceID
    package let worker: WorkerName
    package let state: InstanceState
    /// Of the last change of its state, and when that was.
    package let reason: String
    package let changedAt: Instant
    /// Nil: there is no process, or it is not known yet.
    package let processID: Int32?
    package let hasProcess: Bool
    /// Since when the process has been there.
    package let startedAt: Instant?
    /// Nil: nothing says that it will be started at some time.
    package let nextStart: Instant?
    package let messagesInHand: Int
    package let starts: UInt64
    package let failuresInRow: Int
    package let isPaused: Bool
    package let isFed: Bool
    /// Why it is being stopped; nil: it is not.
    package let stopping: String?
    /// Whether its process is to be replaced.
    package let needsRestart: Bool
}

/// What is to be seen of a worker.
package struct WorkerStatus: Equatable, Sendable {
    package let definition: WorkerDefinition
    /// How many instances there may be, by the definition or by an operator.
    package let range: ClosedRange<Int>
    /// How many there should be now.
    package let wanted: Int
    /// How many processes there are, those that are being started or stopped among them.
    package let alive: Int
    package let isStopped: Bool
    package let isPaused: Bool
    /// Whether it is no longer defined, and goes with its last instance.
    package let isRemoved: Bool
    package let starts: UInt64
    package let failures: UInt64
    package let timeouts: UInt64
    package let arrows: StateArrows
    package let instances: [InstanceStatus]
}
