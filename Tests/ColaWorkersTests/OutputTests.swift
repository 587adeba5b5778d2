import ColaWorkers
import Testing

/// What processes write, as lines.
struct OutputTests {
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

    @Test func linesComeOneByOne() {
        var heard: [String] = []
        let lines = OutputLines { heard.append($0) }
        lines.append(Array("one\ntw".utf8))
        #expect(heard == ["one"])
        lines.append(Array("o\r\n".utf8))
        lines.append(Array(repeating: UInt8(ascii: "y"), count: 10_000))
        #expect(heard == ["one", "two"])
        lines.end()
        #expect(heard.count == 3 && heard[2].utf8.count == OutputLines.lineBytesMax)
        lines.end()
        #expect(heard.count == 3)
    }
}
