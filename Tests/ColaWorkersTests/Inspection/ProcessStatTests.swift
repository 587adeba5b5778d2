import ColaWorkers
import Testing

/// Recorded lines of `/proc/PID/stat`, and what programs make of their names.
@Suite struct ProcessStatTests {
    private static let rest =
        "S 4711 4710 4700 34816 4712 4194304 120 80 0 0 250 75 11 3 20 -5 3 0 81234 8462336 1061 18446744073709551615 "
        + "94 95 140 0 0 0 0 4096 65536 1 0 0 17 1 0 0 0 0 0 96 97 98 99 100 101 102 0\n"

    private static func parse(_ text: String) -> ProcessStat? { ProcessStat(Array(text.utf8)) }

    @Test func aLineIsReadField() throws {
        let stat = try #require(Self.parse("4712 (sleep) " + Self.rest))
        #expect(stat.command == "sleep" && stat.state == .sleeping)
        #expect(stat.parent == 4711 && stat.group == 4710 && stat.session == 4700)
        #expect(stat.userTicks == 250 && stat.systemTicks == 75)
        #expect(stat.nice == -5 && stat.threads == 3)
        #expect(stat.startTicks == 81_234 && stat.virtualBytes == 8_462_336 && stat.residentPages == 1_061)
    }

    @Test(arguments: ["a b", "a) R 1 1 1 (b", "()", ")", "(", "a\nb", ") S 1", "", "1 (2) R", "\u{1}\t"])
    func aNameCannotMoveTheFields(name: String) throws {
        let stat = try #require(Self.parse("4712 (\(name)) " + Self.rest))
        #expect(stat.command == name)
        #expect(stat.state == .sleeping && stat.parent == 4711 && stat.residentPages == 1_061)
    }

    @Test func aNameNeedNotBeText() throws {
        let line = Array("4712 (".utf8) + [0xFF, 0xFE] + Array(") ".utf8) + Array(Self.rest.utf8)
        let stat = try #require(ProcessStat(line))
        #expect(stat.command == "\u{FFFD}\u{FFFD}" && stat.parent == 4711)
    }

    @Test func aPartOfALineIsNone() {
        let line = Array(("4712 (sleep) " + Self.rest).utf8)
        let end = line.count - " 18446744073709551615 94".utf8.count - 120
        for cut in stride(from: 0, to: end, by: 1) { _ = ProcessStat(Array(line[..<cut])) }
        #expect(Self.parse("") == nil && Self.parse("4712 (sleep)") == nil)
        #expect(Self.parse("4712 (sleep) S 1 2 3") == nil)
        #expect(Self.parse(") S (") == nil)
    }

    @Test(arguments: [
        ("R", "running"), ("S", "sleeping"), ("D", "disk sleep"), ("T", "stopped"), ("t", "traced"), ("Z", "zombie"),
        ("X", "dead"), ("I", "idle"), ("P", "state P"),
    ])
    func statesHaveWords(letter: String, word: String) throws {
        let stat = try #require(Self.parse("1 (x) " + letter + Self.rest.dropFirst()))
        #expect(stat.state.description == word)
    }

    @Test func numbersBeyondTheirRangeAreNoLine() {
        let huge = Self.rest.replacing("4711 4710", with: "99999999999 4710", maxReplacements: 1)
        #expect(Self.parse("1 (x) " + huge) == nil)
        #expect(Self.parse("1 (x) SS" + Self.rest.dropFirst()) == nil)
        #expect(Self.parse("1 (x) " + Self.rest.replacing(" 250 ", with: " abc ", maxReplacements: 1)) == nil)
    }
}
