import ColaNative
import Testing

@Suite struct LineScannerTests {
    /// The fields of a line as text, or nil if it is none.
    private func fields(_ line: [UInt8]) -> [String]? {
        var scanner = LineScanner()
        return line.withUnsafeBytes { bytes -> [String]? in
            guard scanner.split(bytes, from: 0, to: bytes.count) else { return nil }
            return (0..<scanner.count).map { String(decoding: scanner.raw($0, in: bytes), as: UTF8.self) }
        }
    }

    private func fields(_ line: String) -> [String]? { fields(Array(line.utf8)) }

    @Test func aLineIsSplitAtItsSpaces() {
        #expect(fields("ping") == ["ping"])
        #expect(fields("pub hello 5 h.lang=en t=7") == ["pub", "hello", "5", "h.lang=en", "t=7"])
        #expect(fields("pub a=b=c %") == ["pub", "a=b=c", "%"])
    }

    @Test(arguments: [
        "", " ", "ping ", " ping", "pub  a", "pub a\t1", "Pub a", "p1", "a=b", "pub a\r1", "pub \0", "pub a\u{7F}",
        "größe a",
    ])
    func whatIsNotALineIsRefused(_ line: String) {
        #expect(fields(line) == nil)
    }

    @Test func aLineMayHaveMoreFieldsThanTheTableHasRoomFor() {
        let words = (0..<10_000).map { "w\($0)" }
        #expect(fields("pub " + words.joined(separator: " ")) == ["pub"] + words)
        #expect(fields("ping") == ["ping"])
    }

    @Test func optionsAreKnownByTheirNames() {
        var scanner = LineScanner()
        Array("pub q 5 t=12 x= h.a=b=c h.=d h=e key=%20 T=1 =v word h.%3D=1".utf8).withUnsafeBytes { bytes in
            let done = scanner.split(bytes, from: 0, to: bytes.count)
            #expect(done)
            func text(_ part: UnsafeRawBufferPointer) -> String { String(decoding: part, as: UTF8.self) }
            #expect(scanner.field(0, is: "pub", in: bytes) && !scanner.field(0, is: "pubs", in: bytes))
            #expect(!scanner.field(0, is: "pu", in: bytes))
            #expect(scanner.number(2, in: bytes) == 5 && scanner.number(1, in: bytes) == nil)
            #expect(scanner.option(3, is: "t", in: bytes) && scanner.optionNumber(3, in: bytes) == 12)
            #expect(scanner.isOption(4, in: bytes) && scanner.value(4, in: bytes).isEmpty)
            #expect(scanner.isHeader(5, in: bytes) && text(scanner.name(5, in: bytes)) == "a")
            #expect(text(scanner.value(5, in: bytes)) == "b=c")
            #expect(!scanner.isHeader(6, in: bytes) && text(scanner.name(6, in: bytes)) == "h.")
            #expect(scanner.isOption(7, in: bytes) && !scanner.isHeader(7, in: bytes))
            #expect(scanner.fields[8].isEscaped && !scanner.fields[7].isEscaped)
            #expect(!scanner.isOption(9, in: bytes))
            #expect(!scanner.isOption(10, in: bytes))
            #expect(!scanner.isOption(11, in: bytes) && scanner.value(11, in: bytes).isEmpty)
            #expect(scanner.name(11, in: bytes).isEmpty)
            #expect(scanner.isHeader(12, in: bytes) && text(scanner.name(12, in: bytes)) == "%3D")
        }
    }

    @Test func aLineEndsWithLFOrCRLF() {
        func find(_ text: String, from: Int = 0, searched: Int = 0, limit: Int = 100) -> LineScanner.Line {
            Array(text.utf8).withUnsafeBytes {
                LineScanner.findLine(in: $0, from: from, searched: searched, limit: limit)
            }
        }
        #expect(find("") == .incomplete)
        #expect(find("ping") == .incomplete)
        #expect(find("ping\r") == .incomplete)
        #expect(find("ping\nmore\n") == .found(end: 4, next: 5))
        #expect(find("ping\r\n") == .found(end: 4, next: 6))
        #expect(find("\n") == .found(end: 0, next: 1))
        #expect(find("\r\n") == .found(end: 0, next: 2))
        #expect(find("a\n\n", from: 2) == .found(end: 2, next: 3))
        #expect(find("ping\nmore\n", from: 5, searched: 3) == .found(end: 9, next: 10))
        #expect(find("ping\n", limit: 5) == .found(end: 4, next: 5))
        #expect(find("pings\n", limit: 5) == .tooLong)
        #expect(find("ping", limit: 5) == .incomplete)
        #expect(find("pings", limit: 5) == .tooLong)
        #expect(find("pings", limit: .max) == .incomplete)
    }

    @Test func anyBytesAreSafe() {
        var random = SplitMix(seed: 3)
        let likely = Array("abh.=% \r\n0129-".utf8)
        var scanner = LineScanner()
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? likely.randomElement(using: &random)! : .random(in: 0...255, using: &random)
            }
            bytes.withUnsafeBytes { raw in
                guard scanner.split(raw, from: 0, to: raw.count) else { return }
                var rejoined: [UInt8] = []
                for index in 0..<scanner.count {
                    if index > 0 { rejoined.append(0x20) }
                    rejoined.append(contentsOf: scanner.raw(index, in: raw))
                    _ = scanner.number(index, in: raw)
                    _ = scanner.numbers(index, in: raw)
                    _ = Escape.decode(scanner.raw(index, in: raw), as: .word)
                    if scanner.isOption(index, in: raw) {
                        let size = scanner.name(index, in: raw).count + scanner.value(index, in: raw).count
                        #expect(size < scanner.raw(index, in: raw).count)
                    }
                }
                #expect(rejoined == bytes)
            }
        }
    }
}
