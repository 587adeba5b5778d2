import ColaTesting
import ColaWorkers
import Testing

/// What processes write, cut into lines.
struct OutputLinesTests {
    /// The lines of what comes in these parts, with a `…` behind those that are cut.
    private func lines(_ parts: [[UInt8]]) -> [String] {
        var cutter = OutputLines()
        var found: [OutputLines.Line] = []
        for part in parts {
            part.withUnsafeBytes { bytes in
                var rest = bytes[...]
                while let line = cutter.next(in: &rest) { found.append(line) }
                #expect(rest.isEmpty)
            }
        }
        if let last = cutter.end() { found.append(last) }
        #expect(cutter.end() == nil)
        return found.map { $0.text + ($0.isCut ? "…" : "") }
    }

    private func lines(_ parts: String...) -> [String] { lines(parts.map { Array($0.utf8) }) }

    @Test func linesAreWholeWhereverTheyAreCut() {
        #expect(lines("one\ntwo\r\n\nth", "ree") == ["one", "two", "", "three"])
        #expect(lines("a\r", "\nb") == ["a", "b"])
        #expect(lines() == [] && lines("\n") == [""])
    }

    @Test func ofALineThatIsTooLongTheBeginningIsGivenAndMarked() {
        let most = OutputLines.lineBytesMax
        let full = String(repeating: "x", count: most)
        #expect(lines(full + "\nnext\n") == [full, "next"])
        #expect(lines(full + "\r\nnext") == [full, "next"])
        #expect(lines(full + "y\nnext") == [full + "…", "next"])
        #expect(lines(full, full, full + "\nnext") == [full + "…", "next"])
        #expect(lines(full + "\ry\n") == [full + "…"])
    }

    @Test func noCharacterIsCutInItsMiddle() {
        let most = OutputLines.lineBytesMax
        for (character, bytes) in [("é", 2), ("€", 3), ("😀", 4)] {
            for before in 1...bytes {
                let head = String(repeating: "x", count: most - before)
                let expected = before == bytes ? head + character : head
                #expect(lines(head + character + "tail\n") == [expected + "…"])
            }
        }
        let bare = [UInt8](repeating: 0x80, count: most + 1)
        #expect(lines([bare]).count == 1)
    }

    @Test func whatIsNoTextIsRepaired() {
        #expect(lines([[0x61, 0xff, 0x62, 0x0a], [0xc3], [0x0a]]) == ["a\u{fffd}b", "\u{fffd}"])
    }

    @Test func linesThatArePassedOverAreCounted() {
        var cutter = OutputLines()
        func skip(_ text: String) -> Int { Array(text.utf8).withUnsafeBytes { cutter.skip($0[...]) } }
        #expect(skip("one\ntwo\nth") == 2)
        #expect(skip("r") == 0)
        Array("ee\nfour\n".utf8).withUnsafeBytes { bytes in
            var rest = bytes[...]
            #expect(cutter.next(in: &rest)?.text == "three")
            #expect(cutter.skip(rest) == 1)
        }
        #expect(cutter.end() == nil)
    }

    /// Wherever it is cut into reads, the lines are the same.
    @Test func anyCutLeadsToTheSameLines() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<200 {
            let text = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                "ab\né\r\n".utf8.randomElement(using: &random) ?? 0
            }
            var parts: [[UInt8]] = [[]]
            for byte in text {
                if Bool.random(using: &random) { parts.append([]) }
                parts[parts.count - 1].append(byte)
            }
            #expect(lines(parts) == lines([text]))
        }
    }
}
