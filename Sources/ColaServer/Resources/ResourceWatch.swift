internal import ColaCore

/// Says when free disk space or memory becomes scarce, and when it no longer is.
///
/// It looks only when asked to: while nothing happens nothing becomes scarce because of us, and an idle process should
/// not wake up. An alarm ends a little beyond the limit at which it began, so that it does not flutter.
struct ResourceWatch {
    struct Change: Equatable {
        var alarm: Alarm
        /// Why; nil: it is over.
        var sentence: String?
    }

    /// What the machine says; a test says something else.
    struct Readings {
        var freeDiskBytes: () -> Int?
        var residentBytes: () -> Int?
        var releaseFreeMemory: () -> Void
    }

    private let readings: Readings
    /// 0: it is not watched. Bytes.
    private let freeDiskMin: Int
    private let memoryMax: Int
    private var raised: Set<Alarm> = []

    init(_ readings: Readings, freeDiskMin: Int, memoryMax: Int) {
        self.readings = readings
        self.freeDiskMin = freeDiskMin
        self.memoryMax = memoryMax
    }

    init(_ machine: MachineResources, freeDiskMin: Int, memoryMax: Int) {
        self.init(
            Readings(
                freeDiskBytes: { machine.freeDiskBytes }, residentBytes: { machine.residentBytes },
                releaseFreeMemory: { machine.releaseFreeMemory() }),
            freeDiskMin: freeDiskMin, memoryMax: memoryMax)
    }

    var isAlarmed: Bool { !raised.isEmpty }

    /// - Returns: alarms that begin or end now.
    mutating func look() -> [Change] { [disk(), memory()].compactMap { $0 } }

    /// Whether a message of this size would leave room on the disk. It is written twice, into the log and from there
    /// into the database, and acknowledgements wait behind it.
    func hasRoom(for bytes: Int) -> Bool {
        guard freeDiskMin > 0, let free = readings.freeDiskBytes() else { return true }
        return free - freeDiskMin >= 2 * bytes
    }

    private mutating func disk() -> Change? {
        guard freeDiskMin > 0, let free = readings.freeDiskBytes() else { return nil }
        let isScarce = free < (raised.contains(.disk) ? freeDiskMin + freeDiskMin / 8 : freeDiskMin)
        return change(
            .disk, isScarce,
            "\(Self.text(free)) of disk space are free and the limit is \(Self.text(freeDiskMin)) (setting "
                + "disk-free-min): publishers wait until messages are consumed or space is freed")
    }

    private mutating func memory() -> Change? {
        guard memoryMax > 0, var resident = readings.residentBytes() else { return nil }
        let limit = raised.contains(.memory) ? memoryMax - memoryMax / 16 : memoryMax
        if resident > limit {
            // The allocator may keep what is no longer used.
            readings.releaseFreeMemory()
            resident = readings.residentBytes() ?? resident
        }
        return change(
            .memory, resident > limit,
            "the server takes \(Self.text(resident)) of memory and the limit is \(Self.text(memoryMax)) (setting "
                + "memory-max): publishers wait until messages are consumed")
    }

    private mutating func change(_ alarm: Alarm, _ isScarce: Bool, _ sentence: String) -> Change? {
        guard isScarce != raised.contains(alarm) else { return nil }
        if isScarce { raised.insert(alarm) } else { raised.remove(alarm) }
        return Change(alarm: alarm, sentence: isScarce ? sentence : nil)
    }

    private static func text(_ bytes: Int) -> String {
        let (whole, tenth) = (bytes >> 20, (bytes & 0xF_FFFF) * 10 >> 20)
        return whole < 10 ? "\(whole).\(tenth) MiB" : "\(whole) MiB"
    }
}
