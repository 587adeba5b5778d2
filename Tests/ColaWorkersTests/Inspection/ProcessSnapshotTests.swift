import ColaWorkers
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

@Suite struct ProcessSnapshotTests {
    private static let status = """
        Name:\tsleep
        Umask:\t0022
        State:\tS (sleeping)
        VmPeak:\t    3840 kB
        VmHWM:\t    2252 kB
        RssAnon:\t     100 kB
        RssFile:\t    2000 kB
        RssShmem:\t       4 kB
        VmSwap:\t      12 kB
        Threads:\t1
        voluntary_ctxt_switches:\t41
        nonvoluntary_ctxt_switches:\t7

        """
    private static let io = "rchar: 6976\nwchar: 1\nsyscr: 10\nread_bytes: 4096\nwrite_bytes: 8192\n"
    private static let limits = """
        Limit                     Soft Limit           Hard Limit           Units     
        Max cpu time              60                   unlimited            seconds   
        Max open files            1024                 524288               files     
        Max address space         unlimited            unlimited            bytes     

        """

    private static func detail(status: String = status) -> ProcessSnapshot.Detail {
        ProcessSnapshot.Detail(
            status: ProcessFields(Array(status.utf8)), io: ProcessFields(Array(io.utf8)),
            waitChannel: Array("hrtimer_nanosleep".utf8), limits: ProcessLimits(Array(limits.utf8)),
            maps: ProcessFields(Array("aaaa-bbbb ---p 00000000 00:00 0 [rollup]\nRss:  2104 kB\nPss:  500 kB\n".utf8)),
            outOfMemoryScore: Array("967\n".utf8), outOfMemoryAdjustment: Array("-300\n".utf8))
    }

    @Test func theFilesOfAProcessAreReadByName() {
        let detail = Self.detail()
        #expect(detail.voluntarySwitches == 41 && detail.involuntarySwitches == 7)
        #expect(detail.residentBytesMost == 2252 * 1024 && detail.swapBytes == 12 * 1024)
        #expect(detail.anonymousBytes == 100 * 1024 && detail.fileBytes == 2000 * 1024)
        #expect(detail.sharedBytes == 4096 && detail.proportionalBytes == 500 * 1024)
        #expect(detail.outOfMemoryScore == 967 && detail.outOfMemoryAdjustment == -300)
        #expect(detail.readBytes == 4096 && detail.writtenBytes == 8192)
        #expect(detail.waitChannel == "hrtimer_nanosleep")
        #expect(detail.limits.openFiles == 1024 && detail.limits.cpuSeconds == 60 && detail.limits.memoryBytes == nil)
    }

    @Test func aNameThatPretendsToBeOtherLinesCountsForNothing() {
        let hostile = "Name:\tx\nvoluntary_ctxt_switches:\t999\n" + Self.status
        #expect(Self.detail(status: hostile).voluntarySwitches == 41)
    }

    @Test func whatIsMissingOrCutOffIsNotKnown() {
        let cut = Self.detail(status: String(Self.status.dropLast(2)))
        #expect(cut.voluntarySwitches == 41 && cut.involuntarySwitches == nil)
        let nothing = ProcessSnapshot.Detail(
            status: ProcessFields([]), io: ProcessFields([]), waitChannel: Array("0".utf8), limits: ProcessLimits([]))
        #expect(nothing.proportionalBytes == nil && nothing.outOfMemoryScore == nil)
        #expect(nothing.voluntarySwitches == nil && nothing.waitChannel == nil && nothing.limits.openFiles == nil)
        let wrong = ProcessFields(Array("VmHWM:\t9223372036854775807 kB\nVmSwap: much\n".utf8))
        #expect(wrong.number("VmHWM") == .max && wrong.number("VmSwap") == nil)
    }

    @Test func ticksAndPagesBecomeMillisecondsAndBytes() throws {
        let line = "9 (x) R 1 1 1 0 0 0 0 0 0 0 250 75 0 0 20 0 3 0 1000 8462336 10 0\n"
        let stat = try #require(ProcessStat(Array(line.utf8)))
        let snapshot = ProcessSnapshot(
            9, stat, uptimeTicks: 6_000, ticksPerSecond: 100, pageBytes: 4096, openFiles: 5, detail: nil)
        #expect(snapshot.userMilliseconds == 2_500 && snapshot.systemMilliseconds == 750)
        #expect(snapshot.uptimeMilliseconds == 50_000 && snapshot.residentBytes == 40_960)
        let young = ProcessSnapshot(
            9, stat, uptimeTicks: 999, ticksPerSecond: 100, pageBytes: 4096, openFiles: nil, detail: nil)
        #expect(young.uptimeMilliseconds == 0)
    }

    #if os(Linux)
        @Test func thisProcessIsSeenAsItIs() throws {
            let descriptors = (0..<5).map { _ in open("/dev/null", O_RDONLY) }
            defer { for descriptor in descriptors { close(descriptor) } }
            let snapshot = try #require(ProcessReader().snapshot(of: getpid(), isDetailed: true))
            #expect(snapshot.parent == getppid() && snapshot.group == getpgrp() && snapshot.session == getsid(0))
            #expect(snapshot.threads > 0 && snapshot.residentBytes > 1 << 20)
            #expect(snapshot.virtualBytes > snapshot.residentBytes)
            #expect(snapshot.uptimeMilliseconds < 86_400_000)
            #expect(try #require(snapshot.openFiles) > 5)
            let detail = try #require(snapshot.detail)
            #expect(detail.voluntarySwitches != nil && detail.limits.openFiles != nil)
            #expect(try #require(detail.residentBytesMost) > 1 << 20)
            #expect(try #require(detail.anonymousBytes) > 0)
            #expect((0...2_000).contains(try #require(detail.outOfMemoryScore)))
        }
    #endif

    @Test func whereThereIsNoProcessThereIsNothing() {
        #expect(ProcessReader().snapshot(of: .max, isDetailed: true) == nil)
        #expect(ProcessReader().snapshot(of: -1, isDetailed: false) == nil)
    }
}
