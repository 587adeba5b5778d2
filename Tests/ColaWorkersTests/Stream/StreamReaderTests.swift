import ColaTesting
import ColaWorkers
import Testing

/// What workers say in the format `json`, wherever it is cut.
struct StreamReaderTests {
    private struct Heard {
        var lines: [StreamLine] = []
        var defect: String?
    }

    /// - Parameter parts: how many bytes come at a time, in turn.
    private func hear(_ bytes: [UInt8], parts: [Int] = [.max], bodyBytesMax: Int = 1_000) -> Heard {
        var heard = Heard()
        var reader = StreamReader(bodyBytesMax: bodyBytesMax, JSONAnswer.parse)
        do throws(StreamDefect) {
            var position = 0
            var turn = 0
            while position < bytes.count {
                let end = position + min(max(1, parts[turn % parts.count]), bytes.count - position)
                let part = Array(bytes[position..<end])
                var problem: StreamDefect?
                part.withUnsafeBytes { part in
                    do throws(StreamDefect) {
                        try reader.receive(part) { heard.lines.append($0) }
                    } catch {
                        problem = error
                    }
                }
                if let problem { throw problem }
                position = end
                turn += 1
            }
            try reader.end { heard.lines.append($0) }
        } catch {
            heard.defect = error.description
        }
        return heard
    }

    private func answer(_ text: String) throws -> StreamAnswer {
        let heard = hear(Array((text + "\n").utf8))
        try #require(heard.defect == nil, "\(heard.defect ?? "")")
        guard case .answer(let answer)? = heard.lines.first, heard.lines.count == 1 else {
            throw StreamDefect("no answer: \(heard.lines)")
        }
        return answer
    }

    private func defect(_ text: String) -> String { hear(Array((text + "\n").utf8)).defect ?? "taken" }

    // MARK: Answers

    @Test func anAnswerIsWhatItSays() throws {
        #expect(try answer(#"{"done":7}"#) == StreamAnswer(.done, 7...7))
        #expect(try answer(#" { "done" : 7 } "#) == StreamAnswer(.done, 7...7))
        #expect(try answer(#"{"done":"3-9"}"#) == StreamAnswer(.done, 3...9))
        #expect(try answer(#"{"done":[1,"3-5", 8]}"#) == StreamAnswer(.done, 1...1, more: [3...5, 8...8]))
        #expect(try answer(#"{"done":9223372036854775807}"#).deliveries.lowerBound == 9_223_372_036_854_775_807)
        #expect(try answer(#"{"retry":7}"#) == StreamAnswer(.retry(milliseconds: nil, reason: nil), 7...7))
        #expect(
            try answer(#"{"delay":250,"retry":7,"reason":"later"}"#)
                == StreamAnswer(.retry(milliseconds: 250, reason: "later"), 7...7))
        #expect(try answer(#"{"reject":7}"#) == StreamAnswer(.reject(reason: nil), 7...7))
        #expect(
            try answer(#"{"reject":[7],"reason":"no \u00e4\ud83d\ude00\n"}"#)
                == StreamAnswer(.reject(reason: "no ä😀\n"), 7...7))
        #expect(hear(Array(#"{"ready":true}"#.utf8)).lines == [.ready])
    }

    @Test func aResultIsTextBytesOrTheJSONThatWasWritten() throws {
        func result(_ text: String) throws -> String {
            guard case .result(let bytes) = try answer(text).verdict else { return "none" }
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(try result(#"{"done":1,"result":"a\tb"}"#) == "a\tb")
        #expect(try result(#"{"done":1,"result":""}"#) == "")
        #expect(try result(#"{"done":1,"result": {"a" : [1, null]} }"#) == #"{"a" : [1, null]}"#)
        #expect(try result(#"{"done":1,"result":[1.5e3,{}]}"#) == "[1.5e3,{}]")
        #expect(try answer(#"{"done":1,"result_base64":"AP8="}"#).verdict == .result([0, 255]))
    }

    @Test(arguments: [
        ("hello", "it wrote 'hello', which is no answer: it is no JSON object (at byte 1)"),
        ("{\"done\":1", "a comma or the end of the object should stand here (at byte 10)"),
        ("{\"done\":1}x", "something follows the object"), ("{\"done\":1,}", "a member's name in quotes"),
        ("{\"done\":0}", "'done' must be the number of a delivery"), ("{\"done\":-1}", "'done' must be the number"),
        ("{\"done\":1.5}", "'done' must be"), ("{\"done\":01}", "'done' must be"), ("{\"done\":1e3}", "'done' must be"),
        ("{\"done\":9223372036854775808}", "'done' must be"), ("{\"done\":99999999999999999999999}", "'done' must be"),
        ("{\"done\":\"9-3\"}", "'done' must be"), ("{\"done\":\"1-2-3\"}", "'done' must be"),
        ("{\"done\":\"-3\"}", "'done' must be"), ("{\"done\":[]}", "'done' must be"),
        ("{\"done\":null}", "'done' must be"),
        ("{}", "none of done, retry, reject and ready"), ("{\"done\":1,\"retry\":2}", "two of done, retry and reject"),
        ("{\"done\":1,\"dealy\":2}", "it has a member 'dealy', which no answer has"),
        ("{\"done\":1,\"delay\":2}", "'delay' belongs to retry"), ("{\"reject\":1,\"delay\":2}", "'delay' belongs to"),
        ("{\"retry\":1,\"delay\":-2}", "'delay' must be a whole number of milliseconds"),
        ("{\"retry\":1,\"delay\":\"2s\"}", "'delay' must be"), ("{\"done\":1,\"reason\":\"x\"}", "'reason' belongs to"),
        ("{\"done\":[1,2],\"result\":\"x\"}", "a result is that of one delivery"),
        ("{\"reject\":1,\"result\":\"x\"}", "a result is that of one delivery"),
        ("{\"done\":1,\"result\":5}", "'result' must be a text, an object or an array"),
        ("{\"done\":1,\"result_base64\":\"AA\"}", "not base64"), ("{\"ready\":false}", "no value begins like this"),
        ("{\"ready\":true,\"done\":1}", "'ready' stands alone"), ("{\"retry\":1,\"reason\":\"\\x\"}", "no such escape"),
        ("{\"retry\":1,\"reason\":\"\\ud800\"}", "surrogate pair"), ("{\"retry\":1,\"reason\":\"a", "no closing quote"),
    ])
    func whatIsNoAnswerIsNamed(_ text: String, _ sentence: String) {
        #expect(defect(text).contains(sentence), "\(defect(text))")
    }

    @Test func theQuotedLineIsShortAndOfOneLine() {
        let sentence = defect("x\u{7}\u{1b}[31m" + String(repeating: "y", count: 10_000))
        #expect(sentence.hasPrefix("it wrote 'x??[31myyy") && sentence.utf8.count < 250)
        #expect(!sentence.utf8.contains { $0 < 0x20 })
    }

    // MARK: Lines

    @Test func itIsTheSameWhereverItIsCut() {
        let text = Array(
            "{\"done\":1}\n{\"done\":2}\r\n\n{\"ready\":true}\n{\"retry\":[3,\"4-6\"],\"reason\":\"ü\"}".utf8)
        let whole = hear(text)
        #expect(whole.lines.count == 4 && whole.defect == nil)
        for size in 1..<text.count {
            let cut = hear(text, parts: [size])
            #expect(cut.lines == whole.lines && cut.defect == nil, "in parts of \(size) bytes")
        }
    }

    @Test func whatStandsBeforeADefectCounts() {
        let heard = hear(Array("{\"done\":1}\n{\"done\":2}\nnonsense\n{\"done\":3}\n".utf8))
        #expect(heard.lines.count == 2 && heard.defect?.contains("'nonsense'") == true)
    }

    @Test func aLineThatIsTooLongIsNotKept() {
        let long = Array(repeating: UInt8(ascii: " "), count: 80_000)
        let heard = hear(long, parts: [1_000], bodyBytesMax: 1_000)
        #expect(heard.defect?.contains("a line of more than 67536 bytes") == true)
        #expect(hear(long, parts: [1_000], bodyBytesMax: 10_000).defect?.contains("it is no JSON object") == true)
    }

    @Test(arguments: Seeds.of(60))
    func garbageIsNeverMoreThanADefect(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let words = [
            "{", "}", "[", "]", "\"", ":", ",", "\\", "\\u", "done", "retry", "\"done\":", "{\"done\":", "1", "0", "-",
            "9",
            "e", ".", "\n", "\r\n", " ", "true", "null", "\"result\":", "{\"done\":1}\n", "\u{0}", "ü", "\"1-5\"",
        ]
        for _ in 0..<200 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...30, using: &random) {
                if Int.random(in: 0..<8, using: &random) == 0 {
                    bytes.append(.random(in: 0...255, using: &random))
                } else {
                    bytes += Array((words.randomElement(using: &random) ?? "").utf8)
                }
            }
            let sizes = (0..<5).map { _ in Int.random(in: 1...9, using: &random) }
            let whole = hear(bytes)
            let cut = hear(bytes, parts: sizes)
            #expect(whole.lines == cut.lines && whole.defect == cut.defect)
            // Deep enough for a stack that is not guarded.
            let deep = Array(repeating: UInt8(ascii: "["), count: 5_000)
            #expect(hear(Array("{\"done\":1,\"result\":".utf8) + deep).defect != nil)
        }
    }
}
