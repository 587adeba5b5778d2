import ColaClient

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What a process has used so far, as the kernel counts it.
///
/// Source: proc(5), `stat` fields 14 and 15 (in ticks, usually of 10 ms), `status` VmHWM and RssAnon, `io` write_bytes
struct ProcessUsage {
    /// User and system, all threads, those that ended too.
    var cpuSeconds: Double
    /// The most memory it ever had resident.
    var residentBytesMax: Int
    /// Memory that it has now and that is no file's.
    var anonymousBytes: Int
    /// What it had the file systems write, log and checkpoints included; nil where that may not be seen.
    var writtenBytes: Int?

    /// - Returns: nil if there is no such process or no /proc.
    init?(process: pid_t) {
        guard let stat = Self.contents("/proc/\(process)/stat"), let name = stat.lastIndex(of: ")") else { return nil }
        // After the name, which may hold anything, field 3 is the first.
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        let status = Self.contents("/proc/\(process)/status") ?? ""
        residentBytesMax = (Self.number("VmHWM:", in: status) ?? 0) * 1024
        anonymousBytes = (Self.number("RssAnon:", in: status) ?? 0) * 1024
        writtenBytes = Self.contents("/proc/\(process)/io").flatMap { Self.number("write_bytes:", in: $0) }
    }

    /// The process at the other end of a Unix socket; nil where it is not known.
    static func peer(of url: ColaURL) throws -> pid_t? {
        guard case .unix = url.address else { return nil }
        #if os(Linux)
            let socket = try BenchSocket(url)
            // struct ucred: pid, uid, gid
            var credentials: [UInt32] = [0, 0, 0]
            var length = socklen_t(12)
            let code = getsockopt(socket.descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
            return code == 0 && credentials[0] > 0 ? pid_t(credentials[0]) : nil
        #else
            return nil
        #endif
    }

    /// User and system time of this process, in seconds.
    static var ownCPUSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func number(_ name: String, in text: String) -> Int? {
        text.split(separator: "\n").first { $0.hasPrefix(name) }.flatMap {
            Int($0.dropFirst(name.count).filter(\.isNumber))
        }
    }

    private static func contents(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
