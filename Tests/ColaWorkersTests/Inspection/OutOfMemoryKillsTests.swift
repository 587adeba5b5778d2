import ColaWorkers
import Testing

/// Recorded files of the kernel, and what follows from them for a process that was killed.
@Suite struct OutOfMemoryKillsTests {
    private static func count(_ text: String) -> Int64? { OutOfMemoryKills(Array(text.utf8))?.count }

    @Test func theNumberIsReadFromBothFiles() {
        #expect(Self.count("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n") == 2)
        #expect(Self.count("nr_free_pages 1\npgfault 99\noom_kill 7\nnuma_hit 5\n") == 7)
    }

    @Test(arguments: ["", "oom 3\n", "oom_kill\n", "oom_kill x\n", "oom_kill -1\n", "oom_kill 1 2\n", "oom_killer 1\n"])
    func whatIsNotThereIsNotKnown(text: String) {
        #expect(Self.count(text) == nil)
    }

    @Test func ofControlGroupsThatOfVersionTwoCounts() {
        func group(_ text: String) -> String? { OutOfMemoryKills.group(Array(text.utf8)) }
        #expect(group("9:name=systemd:/\n4:memory:/a\n0::/system.slice/cola.service\n") == "/system.slice/cola.service")
        #expect(group("0::/\n") == "")
        #expect(group("4:memory:/a\n") == nil)
    }

    @Test func onlyAKillWhileTheNumberGrewIsForWantOfMemory() {
        let (before, after) = (OutOfMemoryKills(count: 4), OutOfMemoryKills(count: 5))
        let killed = ExitStatus.signal(9, isCoreDumped: false)
        #expect(after.explains(killed, since: before))
        #expect(!before.explains(killed, since: before))
        #expect(!after.explains(killed, since: nil))
        #expect(!after.explains(.signal(11, isCoreDumped: true), since: before))
        #expect(!after.explains(.code(137), since: before))
    }

    #if os(Linux)
        @Test func thisKernelSays() {
            #expect(OutOfMemoryKills.now != nil)
        }
    #endif
}
