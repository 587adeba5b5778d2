import ColaServer
import ColaTesting
import ColaWorkers
import Testing

/// What workers say in the format `native`.
struct StreamNativeAnswerTests {
    private func hear(_ bytes: [UInt8], _ size: Int = .max) -> (lines: [StreamLine], defect: String?) {
        var lines: [StreamLine] = []
        var reader = StreamReader(bodyBytesMax: 100, StreamNativeAnswer.parse)
        do throws(StreamDefect) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = Array(rest.prefix(size))
                rest = rest.dropFirst(size)
                var problem: StreamDefect?
                part.withUnsafeBytes { part in
                    do throws(StreamDefect) {
                        try reader.receive(part) { lines.append($0) }
                    } catch {
                        problem = error
                    }
                }
                if let problem { throw problem }
            }
            try reader.end { lines.append($0) }
        } catch {
            return (lines, error.description)
        }
        return (lines, nil)
    }

    private func hear(_ text: String) -> (lines: [StreamLine], defect: String?) { hear(Array(text.utf8)) }

    @Test func answersAreThoseOfTheProtocol() {
        let heard = hear(
            "ready\nack 1\nack 2-5\nnack 6\nnack 7-8 delay=250 reason=not%20now\nreject 9\nreject 10 reason=\n")
        #expect(heard.defect == nil)
        #expect(
            heard.lines == [
                .ready, .answer(StreamAnswer(.done, 1...1)), .answer(StreamAnswer(.done, 2...5)),
                .answer(StreamAnswer(.retry(milliseconds: nil, reason: nil), 6...6)),
                .answer(StreamAnswer(.retry(milliseconds: 250, reason: "not now"), 7...8)),
                .answer(StreamAnswer(.reject(reason: nil), 9...9)),
                .answer(StreamAnswer(.reject(reason: ""), 10...10)),
            ])
    }

    @Test func aResultIsBytesWhereverTheyAreCut() {
        let bytes = Array("result 3 6\na\nb\n\u{0}\n\nack 4\nresult 5 0\n\n".utf8)
        let lines: [StreamLine] = [
            .answer(StreamAnswer(.result(Array("a\nb\n\u{0}\n".utf8)), 3...3)), .answer(StreamAnswer(.done, 4...4)),
            .answer(StreamAnswer(.result([]), 5...5)),
        ]
        for size in 1...bytes.count {
            let heard = hear(bytes, size)
            #expect(heard.lines == lines && heard.defect == nil, "in parts of \(size): \(heard)")
        }
    }

    @Test(arguments: [
        ("done 1\n", "it must begin with ack, nack, reject, result or ready"), ("ack\n", "the number of a delivery"),
        ("ack 0\n", "the number of a delivery"), ("ack 5-3\n", "the number of a delivery"), ("ack 1 2\n", "alone"),
        ("ack  1\n", "one space between"), ("nack 1 delay=x\n", "delay must be milliseconds"),
        ("nack 1 later\n", "'later' is no option of it"), ("reject 1 delay=1\n", "'delay=1' is no option"),
        ("reject 1 reason=%zz\n", "reason must be a text"), ("result 1\n", "of a delivery and of bytes"),
        ("result 1 9999999\n", "has 9999999 bytes"), ("result 1 2\nabc\n", "no line feed behind its 2 bytes"),
        ("result 1 5\nab", "it ended in the middle of a result"), ("{\"done\":1}\n", "which is no answer"),
    ])
    func whatIsNoAnswerIsNamed(_ text: String, _ sentence: String) {
        #expect(hear(text).defect?.contains(sentence) == true, "\(hear(text))")
    }

    @Test(arguments: Seeds.of(40))
    func garbageIsNeverMoreThanADefect(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let words = [
            "ack", "nack", "result", " ", "1", "2-3", "\n", "delay=", "reason=", "%", "%20", "\r\n", "\u{0}", "5",
        ]
        for _ in 0..<300 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                bytes += Array((words.randomElement(using: &random) ?? "").utf8)
                if Int.random(in: 0..<10, using: &random) == 0 { bytes.append(.random(in: 0...255, using: &random)) }
            }
            let (whole, cut) = (hear(bytes), hear(bytes, .random(in: 1...5, using: &random)))
            #expect(whole.lines == cut.lines && whole.defect == cut.defect)
        }
    }
}
