/// A program to run as a process, and what the process shall be like. All names are resolved: paths are not searched
/// for, users and groups are numbers.
package struct ProcessSpec: Equatable, Sendable {
    /// Path of the program; if it does not begin with `/`, it counts from `directory`.
    package var executable: String
    /// What the program sees as its arguments; the first is by custom its name. Not empty.
    package var arguments: [String]
    /// All of its environment, as `NAME=value`. `COLA_WORKER_PROCESS` and `COLA_KEEPER` are added by the keeper.
    package var environment: [String]
    /// Where it starts; nil: `/`.
    package var directory: String?
    /// Whom it runs as; nil: as the broker. Who names a user names a group.
    package var user: UInt32?
    package var group: UInt32?
    /// Supplementary groups; nil: none but `group`.
    package var groups: [UInt32]?
    /// The bits that are taken off new files, 0 to 0o777; nil: those of the broker.
    package var umask: UInt16?
    /// Added to the broker's: 1 to 19 is less of the processor, a negative one needs root.
    package var nice: Int32
    package var limits: Limits
    /// Whether set-user-ID programs that it runs give it no rights.
    package var hasNoNewPrivileges: Bool

    /// Limits of one process; nil: those of the broker. What is over a limit is refused by the system, not counted
    /// here.
    package struct Limits: Equatable, Sendable {
        /// Address space, in bytes: `malloc` and `mmap` fail beyond.
        package var memoryBytes: UInt64?
        /// Time on a processor, in seconds; then SIGXCPU, and SIGKILL one second later.
        package var cpuSeconds: UInt64?
        package var openFiles: UInt64?
        /// Size of a core file, in bytes; 0: none is written.
        package var coreBytes: UInt64?
        /// Processes and threads of its user, all of them together.
        package var processes: UInt64?

        package init(
            memoryBytes: UInt64? = nil, cpuSeconds: UInt64? = nil, openFiles: UInt64? = nil, coreBytes: UInt64? = nil,
            processes: UInt64? = nil
        ) {
            self.memoryBytes = memoryBytes
            self.cpuSeconds = cpuSeconds
            self.openFiles = openFiles
            self.coreBytes = coreBytes
            self.processes = processes
        }
    }

    package init(
        executable: String, arguments: [String], environment: [String] = [], directory: String? = nil,
        user: UInt32? = nil, group: UInt32? = nil, groups: [UInt32]? = nil, umask: UInt16? = nil, nice: Int32 = 0,
        limits: Limits = Limits(), hasNoNewPrivileges: Bool = false
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.user = user
        self.group = group
        self.groups = groups
        self.umask = umask
        self.nice = nice
        self.limits = limits
        self.hasNoNewPrivileges = hasNoNewPrivileges
    }

    /// `PATH_MAX` of Linux, without the zero byte at the end.
    private static let pathBytesMax = 4095

    /// What no process can be started from, in words; nil: nothing is wrong with it. Whether there is such a program,
    /// user or directory is found out by starting it.
    package var flaw: String? {
        if executable.isEmpty { return "the path of the program is empty" }
        if arguments.isEmpty { return "there are no arguments; the first is the name of the program" }
        if let path = [executable, directory ?? ""].first(where: { $0.utf8.count > Self.pathBytesMax }) {
            return "a path of \(path.utf8.count) bytes is longer than any that the system takes (\(Self.pathBytesMax))"
        }
        let texts = [executable] + arguments + environment + (directory.map { [$0] } ?? [])
        if texts.contains(where: { $0.utf8.contains(0) }) {
            return "a path, an argument or the environment holds a zero byte, which no process can be given"
        }
        if let entry = environment.first(where: { !$0.dropFirst().contains("=") }) {
            return "'\(entry.prefix(64))' in its environment is not NAME=value"
        }
        if (user == nil) != (group == nil) { return "a user needs a group, and a group a user" }
        if groups != nil, user == nil { return "supplementary groups need a user and a group" }
        if let umask, umask > 0o777 { return "umask \(String(umask, radix: 8)) is above 777" }
        if !(-40...39).contains(nice) { return "nice \(nice) is not between -40 and 39" }
        return nil
    }
}
