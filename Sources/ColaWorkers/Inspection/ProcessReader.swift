#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Reads `/proc`, as it is now: one reader is for one look at many processes.
///
/// A process can end between two files of it; what is missing then is nil. Nothing is read beyond a bound, and no file
/// waits: the kernel makes them up as they are read. A process takes 40 µs, in detail 200 µs.
package struct ProcessReader {
    /// More than any of the files has, but for the list of groups of a process that is in tens of thousands.
    private static let fileBytesMax = 64 * 1024
    private static let pieceBytes = 4096
    private static let openFilesMax = 65_536
    /// Above it the kernel would go through its tables for too long to say what is shared. Bytes.
    private static let mapsBytesMax: Int64 = 256 << 20

    private let ticksPerSecond: Int64
    private let pageBytes: Int64
    private let uptimeTicks: Int64

    package init() {
        ticksPerSecond = Int64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        pageBytes = Int64(max(1, sysconf(Int32(_SC_PAGESIZE))))
        uptimeTicks = Self.ticks(uptime: Self.contents("/proc/uptime"), perSecond: ticksPerSecond) ?? 0
    }

    /// - Parameter isDetailed: whether what costs more is wanted, too.
    /// - Returns: nil if there is no such process, or no `/proc`.
    package func snapshot(of processID: Int32, isDetailed: Bool) -> ProcessSnapshot? {
        let folder = "/proc/\(processID)"
        guard let stat = ProcessStat(Self.contents("\(folder)/stat")) else { return nil }
        var detail: ProcessSnapshot.Detail?
        if isDetailed {
            let isLarge = stat.residentPages > Self.mapsBytesMax / pageBytes
            detail = ProcessSnapshot.Detail(
                status: ProcessFields(Self.contents("\(folder)/status")),
                io: ProcessFields(Self.contents("\(folder)/io")), waitChannel: Self.contents("\(folder)/wchan"),
                limits: ProcessLimits(Self.contents("\(folder)/limits")),
                maps: ProcessFields(isLarge ? [] : Self.contents("\(folder)/smaps_rollup")),
                outOfMemoryScore: Self.contents("\(folder)/oom_score"),
                outOfMemoryAdjustment: Self.contents("\(folder)/oom_score_adj"))
        }
        return ProcessSnapshot(
            processID, stat, uptimeTicks: uptimeTicks, ticksPerSecond: ticksPerSecond, pageBytes: pageBytes,
            openFiles: Self.openFiles("\(folder)/fd"), detail: detail)
    }

    /// Whether there is such a process that has not ended: one that is left for its parent to collect has.
    package func isAlive(_ processID: Int32) -> Bool {
        guard let stat = ProcessStat(Self.contents("/proc/\(processID)/stat")) else { return false }
        return stat.state != .zombie && stat.state != .dead
    }

    /// - Parameter uptime: seconds with two decimals, a space, and what is of no use here.
    static func ticks(uptime: [UInt8], perSecond: Int64) -> Int64? {
        let words = uptime.prefix { $0 != UInt8(ascii: " ") }.split(separator: UInt8(ascii: "."))
        let numbers = words.map { Int64(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == 2, let seconds = numbers[0], let hundredths = numbers[1],
            (0...Int64(Int32.max)).contains(seconds), (0...99).contains(hundredths)
        else { return nil }
        return (seconds * 100 + hundredths) * perSecond / 100
    }

    /// What is in the file; nothing if it cannot be read.
    static func contents(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count < fileBytesMax {
            let piece = [UInt8](unsafeUninitializedCapacity: pieceBytes) { memory, count in
                count = max(0, read(descriptor, memory.baseAddress, memory.count))
            }
            if piece.isEmpty { break }
            bytes += piece
        }
        return bytes
    }

    private static func openFiles(_ path: String) -> Int? {
        // Since Linux 6.2 the size of the folder is what is in it.
        var status = stat()
        if stat(path, &status) == 0, status.st_size > 0, access(path, R_OK) == 0 { return Int(status.st_size) }
        guard let folder = opendir(path) else { return nil }
        defer { closedir(folder) }
        var count = 0
        while count < openFilesMax, readdir(folder) != nil { count += 1 }
        return max(0, count - 2)  // without itself and its parent
    }
}
