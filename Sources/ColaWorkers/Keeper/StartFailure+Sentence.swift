internal import Glibc

extension StartFailure {
    /// What the system said while `spec` was being started, as a sentence. Looks at the file system for the reason,
    /// because the system has one number for many of them.
    init(starting spec: ProcessSpec, step: Step, error: Int32) {
        let reason = Self.reason(spec, step, error)
        self.init(step: step, error: error, description: "cannot start '\(spec.executable)': \(reason)")
    }

    private static func reason(_ spec: ProcessSpec, _ step: Step, _ error: Int32) -> String {
        let system = systemReason(error)
        switch step {
        case .request, .keeper: return system
        case .exec: return execReason(spec, error)
        case .directory:
            let directory = spec.directory ?? "/"
            switch error {
            case ENOENT: return "directory '\(directory)' does not exist"
            case ENOTDIR: return "'\(directory)' is not a directory"
            case EACCES: return "its user may not enter directory '\(directory)'"
            default: return "directory '\(directory)': \(system)"
            }
        case .pipe, .descriptors:
            return error == EMFILE || error == ENFILE
                ? "too many open files; raise the limit of open files of the broker (ulimit -n), or run fewer workers"
                : "its standard streams cannot be connected: \(system)"
        case .fork:
            switch error {
            case EAGAIN: return "too many processes; look at ulimit -u, the pids limit of the cgroup and kernel.pid_max"
            case ENOMEM: return "not enough memory for a new process"
            case ENOSYS: return "workers need Linux; on this system nothing could promise that they end with the broker"
            default: return "no new process: \(system)"
            }
        case .session: return "no session of its own: \(system)"
        case .memoryLimit: return limitReason("memory limit", spec.limits.memoryBytes, "bytes", error)
        case .cpuLimit: return limitReason("CPU limit", spec.limits.cpuSeconds, "seconds", error)
        case .openFilesLimit: return limitReason("limit of open files", spec.limits.openFiles, "files", error)
        case .coreLimit: return limitReason("limit of core files", spec.limits.coreBytes, "bytes", error)
        case .processesLimit: return limitReason("limit of processes", spec.limits.processes, "processes", error)
        case .nice:
            return error == EPERM || error == EACCES
                ? "only root may run a process with nice \(spec.nice)" : "nice \(spec.nice): \(system)"
        case .supplementaryGroups, .group, .user:
            let who = "user \(spec.user ?? 0), group \(spec.group ?? 0)"
            switch error {
            case EPERM: return "only root may start processes as somebody else (\(who)); run the broker as that user"
            case EAGAIN: return "too many processes of that user (\(who))"
            default: return "it cannot become \(who): \(system)"
            }
        case .privileges: return "new privileges cannot be forbidden: \(system)"
        case .parent: return "it cannot be bound to the life of the broker: \(system)"
        }
    }

    private static func limitReason(_ name: String, _ value: UInt64?, _ unit: String, _ error: Int32) -> String {
        let asked = value.map { "\(name) of \($0) \(unit)" } ?? name
        return error == EPERM
            ? "a \(asked) is above the broker's own hard limit; lower it, or raise the broker's"
            : "a \(asked) cannot be set: \(systemReason(error))"
    }

    private static func execReason(_ spec: ProcessSpec, _ error: Int32) -> String {
        let isAbsolute = spec.executable.hasPrefix("/")
        let path = isAbsolute ? spec.executable : (spec.directory ?? "/") + "/" + spec.executable
        var status = stat()
        let isThere = stat(path, &status) == 0
        switch error {
        case ENOENT:
            return isThere
                ? "the program that is to run it does not exist; look at its first line (#!), or at its loader"
                : "there is no such file" + (isAbsolute ? "" : " in '\(spec.directory ?? "/")'")
        case EACCES:
            if isThere, status.st_mode & S_IFMT == S_IFDIR { return "it is a directory" }
            let canRun = isThere && status.st_mode & 0o111 != 0
            return canRun
                ? "permission denied (a directory of its path, or the file system is mounted noexec)"
                : "permission denied (chmod +x?)"
        case ENOEXEC:
            return "neither a program for this machine nor a script with #! in its first line"
        case E2BIG: return "its arguments and environment are too large"
        case ENOTDIR: return "a part of its path is not a directory"
        case ETXTBSY: return "somebody is writing to the file; try again"
        case ENOMEM: return "not enough memory for it; its memory limit may be too low"
        case EAGAIN: return "its user has too many processes; look at ulimit -u and at its limit of processes"
        default: return systemReason(error)
        }
    }
}
