internal import CMalloc
internal import Glibc

/// What the machine says of disk and memory.
struct MachineResources {
    /// The directory whose file system counts.
    let directory: String

    /// Bytes that this user can still write there; nil if the system does not say.
    var freeDiskBytes: Int? {
        var found = statvfs()
        guard statvfs(directory, &found) == 0 else { return nil }
        let (bytes, overflow) = UInt64(found.f_bavail).multipliedReportingOverflow(by: UInt64(found.f_frsize))
        return overflow ? .max : Int(clamping: bytes)
    }

    /// Bytes of memory that this process takes, without what it shares with others; nil if the system does not say.
    ///
    /// Source: proc(5), `/proc/self/statm`: size, resident and shared, in pages
    var residentBytes: Int? {
        guard let text = Self.text(of: "/proc/self/statm") else { return nil }
        let fields = text.split(separator: " ").prefix(3).compactMap { Int($0) }
        guard fields.count == 3 else { return nil }
        return max(0, fields[1] - fields[2]) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Free memory that the allocator keeps goes back to the system.
    func releaseFreeMemory() { cola_release_free_memory() }

    /// Said once, before the broker starts its threads.
    static func keepHeapSmall() { cola_keep_heap_small() }

    /// Bytes of memory that this process may take: what the machine has, or the limit of its control group.
    static var memoryBytes: Int {
        let (bytes, overflow) = Int(sysconf(Int32(_SC_PHYS_PAGES)))
            .multipliedReportingOverflow(by: Int(sysconf(Int32(_SC_PAGESIZE))))
        var memory = overflow || bytes <= 0 ? 1 << 30 : bytes
        for path in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
            if let limit = text(of: path).flatMap({ Int($0.split(separator: "\n").first ?? "") }), limit > 0 {
                memory = min(memory, limit)
            }
        }
        return memory
    }

    private static func text(of path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return String(unsafeUninitializedCapacity: 256) { buffer in max(0, read(file, buffer.baseAddress, 256)) }
    }
}
