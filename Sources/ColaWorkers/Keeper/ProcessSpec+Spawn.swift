internal import CSpawn
internal import Glibc

extension ProcessSpec {
    /// What the keeper adds to a spec, the same for all that it starts.
    struct Surroundings {
        /// Environment that replaces what the spec says of the same names.
        var environment: [(name: String, value: String)] = []
        /// How early the system ends it when memory is short; nil: as the caller.
        var outOfMemoryScore: Int32?
        /// Limit of open files where the spec names none; nil: as the caller.
        var openFiles: (soft: UInt64, hard: UInt64)?
        /// Added to the spec's.
        var nice: Int32 = 0
        var diesWithParent = true
    }

    /// Starts the process and waits until the program runs in it.
    ///
    /// - Parameter descriptors: number `i` of the process is a copy of the `i`-th; they stay the caller's.
    /// - Returns: its number. It is a child of the calling thread's process, and leads a session of its own.
    /// - Throws: the step that failed; nothing is left of the process.
    func start(descriptors: [Int32], _ surroundings: Surroundings) throws(StartFailure) -> Int32 {
        if let flaw {
            throw StartFailure(step: .request, error: EINVAL, description: "cannot start '\(executable)': \(flaw)")
        }
        let names = surroundings.environment.map { $0.name + "=" }
        let kept = environment.filter { entry in !names.contains { entry.hasPrefix($0) } }
        let added = surroundings.environment.map { $0.name + "=" + $0.value }
        let argumentTexts = CStrings(arguments)
        // The marks first: whoever looks for them reads little.
        let environmentTexts = CStrings(added + kept)
        var failure = cola_spawn_failure()
        let limits = cLimits(surroundings)
        let groups = groups ?? group.map { [$0] } ?? []
        let process = executable.withCString { path in
            (directory ?? "/").withCString { directory in
                limits.withUnsafeBufferPointer { limits in
                    groups.withUnsafeBufferPointer { groups in
                        descriptors.withUnsafeBufferPointer { descriptors in
                            var spawn = cola_spawn()
                            spawn.path = path
                            spawn.arguments = UnsafePointer(argumentTexts.pointers)
                            spawn.environment = UnsafePointer(environmentTexts.pointers)
                            spawn.directory = directory
                            spawn.descriptors = descriptors.baseAddress
                            spawn.descriptor_count = Int32(descriptors.count)
                            spawn.limits = limits.baseAddress
                            spawn.limit_count = Int32(limits.count)
                            spawn.user = user.map(Int64.init) ?? -1
                            spawn.group = group.map(Int64.init) ?? -1
                            spawn.groups = groups.baseAddress
                            spawn.group_count = Int32(groups.count)
                            spawn.file_mode_mask = umask.map(Int32.init) ?? -1
                            spawn.nice = nice + surroundings.nice
                            spawn.out_of_memory_score = surroundings.outOfMemoryScore ?? -1
                            spawn.has_session = true
                            spawn.dies_with_parent = surroundings.diesWithParent
                            spawn.has_no_new_privileges = hasNoNewPrivileges
                            return cola_spawn(&spawn, &failure)
                        }
                    }
                }
            }
        }
        guard process > 0 else {
            let step = StartFailure.Step(rawValue: UInt8(clamping: failure.step)) ?? .pipe
            throw StartFailure(starting: self, step: step, error: failure.error)
        }
        return process
    }

    private func cLimits(_ surroundings: Surroundings) -> [cola_limit] {
        var found: [cola_limit] = []
        func add(_ resource: Int32, _ step: StartFailure.Step, _ soft: UInt64?, hard: UInt64? = nil) {
            guard let soft else { return }
            found.append(cola_limit(resource: resource, step: Int32(step.rawValue), soft: soft, hard: hard ?? soft))
        }
        add(Resource.memory, .memoryLimit, limits.memoryBytes)
        // Between the two, a program that catches SIGXCPU can say where it was.
        add(Resource.cpu, .cpuLimit, limits.cpuSeconds, hard: limits.cpuSeconds.map { $0 &+ 1 })
        if let openFiles = limits.openFiles {
            add(Resource.openFiles, .openFilesLimit, openFiles)
        } else if let openFiles = surroundings.openFiles {
            add(Resource.openFiles, .openFilesLimit, openFiles.soft, hard: openFiles.hard)
        }
        add(Resource.core, .coreLimit, limits.coreBytes)
        add(Resource.processes, .processesLimit, limits.processes)
        return found
    }
}

/// Numbers of resource limits, whose type differs between C libraries.
enum Resource {
    static let cpu = Int32(RLIMIT_CPU.rawValue)
    static let core = Int32(RLIMIT_CORE.rawValue)
    static let openFiles = Int32(RLIMIT_NOFILE.rawValue)
    static let memory = Int32(RLIMIT_AS.rawValue)
    static let processes = Int32(__RLIMIT_NPROC.rawValue)
}

/// Texts as C wants them: pointers to bytes that end with zero, and a null pointer at the end.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        pointers = .allocate(capacity: count + 1)
        for (index, text) in texts.enumerated() { pointers[index] = strdup(text) }
        pointers[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
