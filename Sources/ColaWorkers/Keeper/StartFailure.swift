/// Why a process was not started: the step that failed, what the system said, and a sentence for a person.
package struct StartFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was being done, in the order in which it is done. The numbers are those of `cola_spawn_step`.
    package enum Step: UInt8, Sendable, CaseIterable {
        /// The request itself is wrong or too large, or there is such an instance already.
        case request = 0
        case pipe = 1
        case fork = 2
        case session = 3
        case descriptors = 4
        case memoryLimit = 5
        case cpuLimit = 6
        case openFilesLimit = 7
        case coreLimit = 8
        case processesLimit = 9
        case nice = 10
        case supplementaryGroups = 11
        case group = 12
        case user = 13
        case directory = 14
        case privileges = 15
        case parent = 16
        case exec = 17
        /// There is no keeper that could start it.
        case keeper = 18
    }

    package var step: Step
    /// `errno`, or 0 where the system was not asked.
    package var error: Int32
    /// "cannot start './resize.sh': permission denied …", and what to do.
    package var description: String

    package init(step: Step, error: Int32, description: String) {
        self.step = step
        self.error = error
        self.description = description
    }
}
