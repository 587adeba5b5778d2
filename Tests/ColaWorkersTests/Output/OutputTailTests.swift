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

    @Test func howMuchComesAtATimeMakesNoDifference() {
        for text in ["y\n", "\n", "\r\n", "a line\r\n", "some more than twenty bytes\n", "abc\n\n\r\nd\n"] {
            for end in ["", "rest", "\r", String(repeating: "z", count: 90)] {
                let all = "first\n" + String(repeating: text, count: 100) + end
                #expect(tail(["before", all]) == tail(["before"] + all.utf8.map { "\(UnicodeScalar($0))" }))
            }
        }
    }

    @Test func whatIsNoTextIsRepaired() {
        var tail = OutputTail(bytesMax: 20)
        tail.append([0x61, 0xff, 0x62, 0x0a])
        #expect(tail.text == ["a\u{fffd}b"])
    }
}
