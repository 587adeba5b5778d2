/// What the kernel says of a process at one moment. Times are milliseconds.
package struct ProcessSnapshot: Equatable, Sendable {
    package let processID: Int32
    package let command: String
    package let state: KernelState
    package let parent: Int32
    package let group: Int32
    package let session: Int32
    package let userMilliseconds: Int64
    package let systemMilliseconds: Int64
    /// Since the process was started; a process that calls `exec` stays the same.
    package let uptimeMilliseconds: Int64
    package let residentBytes: Int64
    package let virtualBytes: Int64
    package let threads: Int
    package let nice: Int
    /// Nil: this server may not see it.
    package let openFiles: Int?
    /// Nil where it was not asked for.
    package let detail: Detail?

    /// What costs more to find out. Each is nil where this server may not see it, or the kernel does not say it.
    package struct Detail: Equatable, Sendable {
        /// How often it gave the processor away by itself, and how often it was taken away.
        package let voluntarySwitches: Int64?
        package let involuntarySwitches: Int64?
        /// The function of the kernel that it waits in.
        package let waitChannel: String?
        package let residentBytesMost: Int64?
        package let swapBytes: Int64?
        /// What is in memory: its own, pages of files, and memory that it shares with others.
        package let anonymousBytes: Int64?
        package let fileBytes: Int64?
        package let sharedBytes: Int64?
        /// The same with its share alone of what several processes have.
        package let proportionalBytes: Int64?
        /// How soon the kernel kills it when memory is short, 0 to 1000, and what was added to that by hand.
        package let outOfMemoryScore: Int?
        package let outOfMemoryAdjustment: Int?
        /// From and to the disk.
        package let readBytes: Int64?
        package let writtenBytes: Int64?
        package let limits: ProcessLimits

        /// - Parameters:
        ///   - maps: of `smaps_rollup`.
        ///   - outOfMemoryScore: a number on a line of its own, as `outOfMemoryAdjustment` is.
        package init(
            status: ProcessFields, io: ProcessFields, waitChannel: [UInt8], limits: ProcessLimits,
            maps: ProcessFields = ProcessFields([]), outOfMemoryScore: [UInt8] = [],
            outOfMemoryAdjustment: [UInt8] = []
        ) {
            voluntarySwitches = status.number("voluntary_ctxt_switches")
            involuntarySwitches = status.number("nonvoluntary_ctxt_switches")
            residentBytesMost = status.number("VmHWM").flatMap(Self.bytes)
            swapBytes = status.number("VmSwap").flatMap(Self.bytes)
            anonymousBytes = status.number("RssAnon").flatMap(Self.bytes)
            fileBytes = status.number("RssFile").flatMap(Self.bytes)
            sharedBytes = status.number("RssShmem").flatMap(Self.bytes)
            proportionalBytes = maps.number("Pss").flatMap(Self.bytes)
            self.outOfMemoryScore = Self.number(outOfMemoryScore)
            self.outOfMemoryAdjustment = Self.number(outOfMemoryAdjustment)
            readBytes = io.number("read_bytes")
            writtenBytes = io.number("write_bytes")
            let name = String(decoding: waitChannel, as: UTF8.self)
            self.waitChannel = name.isEmpty || name == "0" ? nil : name
            self.limits = limits
        }

        private static func number(_ line: [UInt8]) -> Int? {
            Int(String(decoding: line.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
        }

        private static func bytes(kibibytes: Int64) -> Int64? {
            let (bytes, isTooMuch) = kibibytes.multipliedReportingOverflow(by: 1024)
            return isTooMuch ? nil : bytes
        }
    }

    /// - Parameters:
    ///   - uptimeTicks: how long the machine has been up. Clock ticks, as in `stat`.
    ///   - pageBytes: the size of a page of memory.
    package init(
        _ processID: Int32, _ stat: ProcessStat, uptimeTicks: Int64, ticksPerSecond: Int64, pageBytes: Int64,
        openFiles: Int?, detail: Detail?
    ) {
        func milliseconds(_ ticks: Int64) -> Int64 {
            let (product, isTooMuch) = max(0, ticks).multipliedReportingOverflow(by: 1_000)
            return isTooMuch ? .max : product / max(1, ticksPerSecond)
        }
        self.processID = processID
        command = stat.command
        state = stat.state
        parent = stat.parent
        group = stat.group
        session = stat.session
        userMilliseconds = milliseconds(stat.userTicks)
        systemMilliseconds = milliseconds(stat.systemTicks)
        uptimeMilliseconds = milliseconds(uptimeTicks.subtractingReportingOverflow(stat.startTicks).partialValue)
        let (resident, isTooMuch) = stat.residentPages.multipliedReportingOverflow(by: pageBytes)
        residentBytes = isTooMuch ? .max : resident
        virtualBytes = stat.virtualBytes
        threads = stat.threads
        nice = stat.nice
        self.openFiles = openFiles
        self.detail = detail
    }
}
