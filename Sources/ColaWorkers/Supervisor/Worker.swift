internal import ColaCore

/// A worker as it is supervised: its definition, its instances, and how many there should be.
struct Worker: Sendable {
    var definition: WorkerDefinition
    /// In the order in which they came, with those that are being stopped.
    var instances: [InstanceID] = []
    /// How many of them have a process, or one on its way.
    var alive = 0
    /// How many an operator wants, in the place of what the definition says.
    var scaled: ClosedRange<Int>?
    /// How many there should be; within ``range``.
    var target: Int
    var isStopped = false
    var isPaused = false
    /// It is not among the definitions any more, and goes with its last instance.
    var isRemoved = false
    var backlog = Backlog()
    /// When the autoscaler last wanted more.
    var raisedAt: Instant?
    var arrows = StateArrows()
    var starts: UInt64 = 0
    var failures: UInt64 = 0
    var timeouts: UInt64 = 0

    struct Backlog: Sendable {
        var ready = 0
        var oldestMilliseconds: Int64 = 0
        var ratePerSecond = 0.0
    }

    init(_ definition: WorkerDefinition) {
        self.definition = definition
        target = definition.processes.lowerBound
    }

    var range: ClosedRange<Int> { scaled ?? definition.processes }
    var wanted: Int { isStopped || isRemoved ? 0 : target }

    mutating func clampTarget() { target = min(max(target, range.lowerBound), range.upperBound) }
}
