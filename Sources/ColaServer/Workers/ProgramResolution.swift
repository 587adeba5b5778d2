internal import ColaCore
internal import ColaWorkers
internal import OrderedCollections

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What a definition says by name, as the system knows it: the path of the program, numbers of users and groups, the
/// environment.
struct ProgramResolution {
    struct Problem: Error {
        var sentence: String
    }

    let serverEnvironment: [String: String]
    /// What relative directories count from: the folder of the file that defines the workers.
    let folder: String

    /// - Parameter message: the environment that a message adds.
    func spec(
        of definition: WorkerDefinition, _ instance: InstanceID, message: [String]
    ) throws(Problem) -> ProcessSpec {
        let environment = environment(of: definition)
        var spec = ProcessSpec(
            executable: try path(of: definition.command[0], environment["PATH"] ?? serverEnvironment["PATH"]),
            arguments: definition.command,
            environment: environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                + ["COLA_WORKER=\(definition.name)", "COLA_WORKER_INSTANCE=\(instance)"] + message)
        spec.directory = definition.directory.map(absolute) ?? Self.workingDirectory
        try identify(definition, &spec)
        spec.umask = definition.umask.map { UInt16(clamping: $0) } ?? 0o077
        spec.nice = Int32(clamping: definition.nice ?? 0)
        spec.limits.memoryBytes = definition.limits.memory.map { UInt64(clamping: $0) }
        spec.limits.cpuSeconds = definition.limits.cpuSeconds.map { UInt64(clamping: $0) }
        spec.limits.openFiles = definition.limits.openFiles.map { UInt64(clamping: $0) }
        spec.limits.processes = definition.limits.processes.map { UInt64(clamping: $0) }
        spec.limits.coreBytes = 0
        spec.hasNoNewPrivileges = true
        if let flaw = spec.flaw { throw Problem(sentence: flaw) }
        return spec
    }

    private func absolute(_ directory: String) -> String {
        directory.hasPrefix("/") ? directory : "\(folder)/\(directory)"
    }

    /// What the definition sets, and what it lets through of the server's own.
    private func environment(of definition: WorkerDefinition) -> [String: String] {
        var environment: [String: String] = [:]
        for (name, value) in serverEnvironment {
            let isPassed = definition.passEnvironment.contains { pattern in
                pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
            }
            if isPassed { environment[name] = value }
        }
        for (name, value) in definition.environment { environment[name] = value }
        return environment
    }

    private func path(of program: String, _ searched: String?) throws(Problem) -> String {
        guard !program.contains("/") else { return program }
        for folder in (searched ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":") {
            let candidate = "\(folder)/\(program)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        throw Problem(
            sentence: "there is no program '\(program)' in the PATH \(searched ?? "of the server"); write its path")
    }

    private func identify(_ definition: WorkerDefinition, _ spec: inout ProcessSpec) throws(Problem) {
        guard definition.user != nil || definition.group != nil else { return }
        var group: gid_t?
        var user = getuid()
        if let name = definition.user {
            let found = UInt32(name).flatMap { getpwuid($0) } ?? getpwnam(name)
            guard let found else {
                guard let number = UInt32(name) else { throw Problem(sentence: "there is no user '\(name)'") }
                (user, group) = (number, number)
                spec.user = user
                spec.group = group
                return try setGroup(of: definition, &spec)
            }
            user = found.pointee.pw_uid
            group = found.pointee.pw_gid
        }
        spec.user = user
        spec.group = group ?? getgid()
        try setGroup(of: definition, &spec)
    }

    private func setGroup(of definition: WorkerDefinition, _ spec: inout ProcessSpec) throws(Problem) {
        guard let name = definition.group else { return }
        if let number = UInt32(name) {
            spec.group = number
        } else if let found = getgrnam(name) {
            spec.group = found.pointee.gr_gid
        } else {
            throw Problem(sentence: "there is no group '\(name)'")
        }
    }

    /// Where the server runs; taken once, as it does not change it.
    private static let workingDirectory: String = {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }()
}
