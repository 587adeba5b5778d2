import ColaNative
import NIOCore
import Testing

@Suite struct ClientDecoderTests {
    /// One of everything a server can say, and what it means.
    private static let stream = """
        ok version=1 server=Cola/0.1.0 user=ana%20b admin=yes
        ok t=12-1011\r

        ok t=3 size=13
        [{"a":"\\n"}]\n
        msg 1 1 0 5 ts=1795360000000 h.lang=en key=%00 later=1 h.a%3Db=c=d
        world
        msg 2 18 9223372036854775807 0 r=0

        err unroutable final no queue or topic is named 'nowhere';  make it
        err t=7 blocked retry the disk is full
        err c=4294967295 cancelled final queue 'q' was deleted
        ok empty=yes
        ok delivery=4 offset=7 size=3 r=1 h.x=1
        a\nb
        beat
        blocked the disk is full
        unblocked
        bye shutting_down the server is stopping

        """

    private static var expected: [ServerLine] {
        var first = ServerLine.Arrival(consumer: 1, delivery: 1, offset: 0)
        first.timestamp = 1_795_360_000_000
        first.key = [0]
        first.headers = [option("lang", "en"), option("a=b", "c=d")]
        first.body = ByteBuffer(string: "world")
        var second = ServerLine.Arrival(consumer: 2, delivery: 18, offset: .max)
        second.failedDeliveries = 0
        return [
            .ok(
                ServerLine.Answer(options: [
                    option("version", "1"), option("server", "Cola/0.1.0"), option("user", "ana b"),
                    option("admin", "yes"),
                ])),
            .ok(ServerLine.Answer(tags: 12...1011)),
            .ok(ServerLine.Answer(tags: 3...3, body: ByteBuffer(string: "[{\"a\":\"\\n\"}]\n"))),
            .message(first),
            .message(second),
            .error(
                ServerLine.Refusal(
                    code: "unroutable", isRetryable: false,
                    sentence: "no queue or topic is named 'nowhere';  make it")),
            .error(ServerLine.Refusal(tag: 7, code: "blocked", isRetryable: true, sentence: "the disk is full")),
            .error(
                ServerLine.Refusal(
                    consumer: 4_294_967_295, code: "cancelled", isRetryable: false, sentence: "queue 'q' was deleted")),
            .ok(ServerLine.Answer(options: [option("empty", "yes")])),
            .ok(
                ServerLine.Answer(
                    options: [option("delivery", "4"), option("offset", "7"), option("r", "1"), option("h.x", "1")],
                    body: ByteBuffer(string: "a\nb"))),
            .beat,
            .blocked(sentence: "the disk is full"),
            .unblocked,
            .bye(code: "shutting_down", sentence: "the server is stopping"),
        ]
    }

    private static func option(_ name: String, _ value: String) -> ServerLine.Option {
        ServerLine.Option(name: name, value: Array(value.utf8))
    }

    private func decode(_ pieces: [ArraySlice<UInt8>]) throws -> [ServerLine] {
        var decoder = ClientDecoder()
        var lines: [ServerLine] = []
        for piece in pieces {
            decoder.feed(ByteBuffer(bytes: piece))
            while let line = try decoder.next() { lines.append(line) }
        }
        return lines
    }

    @Test func everythingAServerSaysIsUnderstood() throws {
        let lines = try decode([Array(Self.stream.utf8)[...]])
        #expect(lines.count == Self.expected.count)
        for (line, expected) in zip(lines, Self.expected) { #expect(line == expected) }
    }

    @Test func oneByteAtATimeIsTheSame() throws {
        let bytes = Array(Self.stream.utf8)
        #expect(try decode(bytes.indices.map { bytes[$0...$0] }) == Self.expected)
    }

    @Test func cutAnywhereIsTheSame() throws {
        let bytes = Array(Self.stream.utf8)
        for cut in bytes.indices { #expect(try decode([bytes[..<cut], bytes[cut...]]) == Self.expected) }
        var random = SplitMix(seed: 11)
        for _ in 0..<200 {
            let cuts = (0..<8).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
            let pieces = zip([0] + cuts, cuts + [bytes.count]).map { bytes[$0..<$1] }
            #expect(try decode(pieces) == Self.expected)
        }
    }

    @Test func aPrefixSaysNoMoreThanItHolds() throws {
        let bytes = Array(Self.stream.utf8)
        for end in bytes.indices {
            let lines = try decode([bytes[..<end]])
            #expect(lines == Array(Self.expected.prefix(lines.count)))
        }
    }

    @Test func bodiesKeepTheirBytesWhenMoreIsFed() throws {
        var decoder = ClientDecoder()
        decoder.feed(ByteBuffer(string: "msg 1 1 0 3\nabc\nmsg 1 2 "))
        let first = try decoder.next()
        #expect(try decoder.next() == nil)
        decoder.feed(ByteBuffer(string: "1 3\nxyz\n"))
        let second = try decoder.next()
        guard case .message(let one) = first, case .message(let two) = second else {
            Issue.record("two messages were sent")
            return
        }
        #expect(String(buffer: one.body) == "abc" && String(buffer: two.body) == "xyz")
    }

    @Test(arguments: [
        "what\n", "OK\n", "msg 1 1 0\n", "msg 1 1 0 -1\n", "msg 1 1 0 x\n", "msg 1 1 0 1 lone\nx\n",
        "msg 1 1 0 1 h.a=%\nx\n", "ok t=\n", "ok t=2-1\n", "ok size=01\n", "ok word\n", "ok  t=1\n", "err\n",
        "err code\n", "err code maybe why\n", "err t=x code final why\n", "err t=1\n", "bye\n", "beat 1\n",
        "msg 1 1 0 1\nxy", "msg 1 1 0 9223372036854775807\n", "\0\n", " \n",
    ])
    func whatIsNotOfTheProtocolIsAnErrorThatStays(_ text: String) {
        var decoder = ClientDecoder()
        decoder.feed(ByteBuffer(string: text))
        #expect(throws: ClientDecoder.Malformed.self) { while try decoder.next() != nil {} }
        decoder.feed(ByteBuffer(string: "beat\n"))
        #expect(throws: ClientDecoder.Malformed.self) { try decoder.next() }
    }

    @Test func aLineWithoutEndIsRefusedAtTheLimit() throws {
        var decoder = ClientDecoder(lineBytesMax: 16)
        decoder.feed(ByteBuffer(string: "blocked 1234567\n"))
        #expect(try decoder.next() == .blocked(sentence: "1234567"))
        decoder.feed(ByteBuffer(string: "blocked 1234567"))
        #expect(try decoder.next() == nil)
        decoder.feed(ByteBuffer(string: "8"))
        #expect(throws: ClientDecoder.Malformed.self) { try decoder.next() }
    }

    @Test func anyBytesAreSafe() {
        var random = SplitMix(seed: 5)
        let parts = [
            "ok", "err", "msg", "bye", "t=", "size=", "h.", "=", " ", "\n", "\r\n", "1", "0", "-", "%", "\0", "final",
        ]
        for _ in 0..<5_000 {
            var decoder = ClientDecoder(lineBytesMax: 64, bodyBytesMax: 64)
            for _ in 0..<4 {
                let text = (0..<Int.random(in: 0..<8, using: &random)).map { _ in parts.randomElement(using: &random)! }
                decoder.feed(ByteBuffer(string: text.joined()))
                while let line = try? decoder.next() { _ = line }
            }
        }
    }
}
