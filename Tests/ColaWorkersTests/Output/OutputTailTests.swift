import ColaWorkers
import Testing

/// The last lines of what a process writes.
struct OutputTailTests {
    private func tail(_ parts: [String], bytesMax: Int = 20) -> [String] {
        var tail = OutputTail(bytesMax: bytesMax)
        for part in parts { tail.append(Array(part.utf8)) }
        return tail.text
    }

    @Test func linesAreWholeWhereverTheyAreCut() {
        #expect(tail(["one\ntwo\r\n\nth", "ree"]) == ["one", "two", "", "three"])
        #expect(tail([]) == [])
        #expect(tail(["\n"]) == [""])
    }

    @Test func theLastOnesStay() {
        #expect(tail((0..<100).map { "line \($0)\n" }) == ["line 98", "line 99"])
        #expect(tail([String(repeating: "x", count: 1_000)]) == [String(repeating: "x", count: 20)])
        #expect(tail([String(repeating: "x", count: 1_000), "\nshort\n"]) == ["short"])
    }

    @Test func whatIsNoTextIsRepaired() {
        var tail = OutputTail(bytesMax: 20)
        tail.append([0x61, 0xff, 0x62, 0x0a])
        #expect(tail.text == ["a\u{fffd}b"])
    }
}
