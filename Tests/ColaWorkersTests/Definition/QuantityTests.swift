import ColaWorkers
import Testing

/// Durations, sizes and signals as people write them.
@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("0", 0), ("500ms", 500), ("30s", 30_000), ("5 min", 300_000), ("5m", 300_000), ("1h 30m", 5_400_000),
            ("1h30min", 5_400_000), ("2d", 172_800_000), ("30 sec", 30_000), ("36525d", 3_155_760_000_000),
        ] as [(String, Int64)])
    func aDurationIsRead(text: String, milliseconds: Int64) {
        #expect(Quantity.milliseconds(text) == milliseconds)
        #expect(Quantity.milliseconds(Quantity.text(milliseconds: milliseconds)) == milliseconds)
    }

    @Test(arguments: [
        "", "30", "s", "-1s", "+1s", "1.5s", "1 fortnight", "36526d", "99999999999999999999d", "1s 2", "١s",
    ])
    func whatIsNoDurationIsNone(text: String) {
        #expect(Quantity.milliseconds(text) == nil)
    }

    @Test(
        arguments: [
            ("0", 0), ("4096", 4_096), ("1b", 1), ("512K", 524_288), ("512MiB", 536_870_912), ("2 G", 2_147_483_648),
            ("2gib", 2_147_483_648), ("1T", 1_099_511_627_776), ("1025", 1_025),
        ] as [(String, Int64)])
    func aSizeIsRead(text: String, bytes: Int64) {
        #expect(Quantity.bytes(text) == bytes)
        #expect(Quantity.bytes(Quantity.text(bytes: bytes)) == bytes)
    }

    @Test(arguments: ["", "K", "-1", "+1", "1.5G", "1X", "1MB", "9999999999T", "1 K 2"])
    func whatIsNoSizeIsNone(text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test func aSignalHasANameAndANumber() {
        #expect(Signal("term") == .terminate)
        #expect(Signal("SIGINT")?.number == 2)
        #expect(Signal("9") == .kill)
        #expect(Signal("0") == nil)
        #expect(Signal("65") == nil)
        #expect(Signal("PIZZA") == nil)
        #expect(Signal(35).description == "signal 35")
    }

    @Test func anEndIsToldInWords() {
        #expect(ExitStatus.code(3).description == "exit code 3")
        #expect(ExitStatus.signal(9, isCoreDumped: false).description == "killed by SIGKILL")
        #expect(ExitStatus.signal(11, isCoreDumped: true).description == "killed by SIGSEGV (core dumped)")
    }
}
