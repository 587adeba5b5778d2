import ColaCore
import ColaNative
import ColaTesting
import NIOCore
import Testing

/// The server's side of a connection: its states, the order and form of its answers, its clock and its limits.
@Suite struct NativeSessionTests {
    private let untagged = RequestID(.max - 1)

    // MARK: Answers

    @Test func answersOfOneWordAreMergedWhereTheirTagsAre() {
        var bench = SessionBench()
        for tag in [1, 2, 3, 5, 7, 8] as [UInt64] { bench.reply(.done, to: RequestID(tag)) }
        #expect(bench.output() == "ok t=1-3\nok t=5\nok t=7-8\n")
        bench.reply(.done, to: RequestID(9))
        #expect(bench.output() == "ok t=9\n")
    }

    @Test func nothingIsMergedPastAnotherAnswer() {
        var bench = SessionBench()
        bench.reply(.done, to: RequestID(1))
        bench.reply(.declared(messages: 7, consumers: 0), to: RequestID(2))
        bench.reply(.done, to: RequestID(3))
        bench.reply(.done, to: untagged)
        bench.reply(.done, to: RequestID(4))
        #expect(bench.output() == "ok t=1\nok t=2 ready=7\nok t=3\nok\nok t=4\n")
    }

    @Test func whatAClientWroteNeverMakesALineOfItsOwn() {
        var bench = SessionBench()
        let error = BrokerError.notFound(.queue, name: "a\nbye x y\r\u{7f}")
        bench.reply(.refused(error), to: RequestID(1))
        bench.session.handle(.consumerFailed(ChannelID(1), ConsumerTag(2), .deleted(.queue, name: "b\nc")))
        bench.session.handle(.blocked("d\ne"))
        let lines = bench.output().split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("err t=1 not_found final "))
        #expect(lines[1].hasPrefix("err c=2 cancelled final "))
        #expect(lines[2] == "blocked d?e")
        #expect(!lines.joined().utf8.contains { $0 < 0x20 || $0 == 0x7f })
    }

    @Test func listingsAreJSONWhateverTheNames() {
        var bench = SessionBench()
        var row = Description()
        row.add("source", "a\"b\\")
        row.add("destination", "c\nd")
        row.add("key", "é\u{1}")
        bench.reply(.rows([row]), to: untagged)
        let body = #"[{"source":"a\"b\\","destination":"c\u000ad","key":"é\u0001"}]"#
        #expect(bench.output() == "ok size=\(body.utf8.count)\n\(body)\n")
    }

    @Test func aDeliveryFromBeforeTheEpochHasNoTimestamp() {
        var bench = SessionBench()
        var segment = RecordSegment()
        segment.append(Message(value: [0x78]), at: Offset(3), timestamp: Timestamp(-5))
        let delivery = Delivery(tag: DeliveryTag(1), redelivered: nil, entry: segment.entries[0], data: segment.data)
        bench.session.handle(.deliver(ChannelID(1), ConsumerTag(2), delivery))
        #expect(bench.output() == "msg 2 1 3 1\nx\n")
    }

    @Test func refusalsWaitForTheirTurn() {
        var bench = SessionBench()
        bench.feed("ping t=1\nnonsense\nhello 1 t=2 need=teleport\nping t=\n")
        #expect(bench.output().isEmpty)
        #expect(bench.requests().count == 4)
    }

    @Test func statSaysWhichServerItIsAndNothingElseDoes() {
        var bench = SessionBench()
        bench.feed("stat\nstat t=5\ndescribe queue q\ndescribe queue q t=6\n")
        var figures = Description()
        figures.add("epoch", 1)
        let stat = #"{"version":"Cola/0.1.0","epoch":1}"#
        bench.reply(.description(figures), to: RequestID(.max - 6))
        bench.reply(.description(figures), to: RequestID(5))
        bench.reply(.description(figures), to: untagged)
        bench.reply(.description(figures), to: RequestID(6))
        // A tag may be used again once it was answered.
        bench.reply(.description(figures), to: RequestID(5))
        let plain = #"{"epoch":1}"#
        let answers = [("", stat), (" t=5", stat), ("", plain), (" t=6", plain), (" t=5", plain)]
        #expect(bench.output() == answers.map { "ok\($0.0) size=\($0.1.utf8.count)\n\($0.1)\n" }.joined())
    }

    @Test func strangersAreNotToldWhyPublishersWait() {
        var bench = SessionBench(SessionBench.loopback)
        bench.session.handle(.blocked("no room"))
        #expect(bench.output().isEmpty)
        bench.feed("hello 1 user=guest password=guest\n")
        let lines = bench.output().split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.last == "blocked no room")
        bench.session.handle(.blocked(nil))
        #expect(bench.output() == "unblocked\n")
    }

    @Test func whatEndedBeforeHelloIsNotToldAtAll() {
        var bench = SessionBench(SessionBench.loopback)
        bench.session.handle(.blocked("no room"))
        bench.session.handle(.blocked(nil))
        bench.feed("hello 1 user=guest password=guest\n")
        #expect(bench.output().split(separator: "\n").count == 1)
    }

    // MARK: Virtual hosts

    @Test func aVirtualHostIsAskedForBeforeHelloIsAnswered() {
        var bench = SessionBench(SessionBench.loopback)
        bench.entersAtOnce = false
        bench.feed(
            "hello 1 user=guest password=guest vhost=/shop t=1\nbind amq.direct q\npolicy p pattern=x max-length=1\n")
        #expect(bench.output().isEmpty)
        guard case .attach(_, let info) = bench.session.commands.first else {
            Issue.record("nobody came in")
            return
        }
        #expect(info.host == "/shop")
        let requests = bench.requests()
        #expect(requests.count == 3)
        #expect(requests.dropFirst().allSatisfy { $0.contains(#"host: "/shop""#) })
        bench.reply(.done, to: RequestID(.max - 5))
        #expect(bench.output().hasPrefix("ok t=1 version=1 "))
    }

    @Test func aVirtualHostThatIsNotThereEndsTheConnection() {
        var bench = SessionBench(SessionBench.loopback)
        bench.entersAtOnce = false
        bench.feed("hello 1 user=guest password=guest vhost=/none t=1\n")
        bench.reply(.refused(.notFound(.virtualHost, name: "/none")), to: RequestID(.max - 5))
        let lines = bench.output().split(separator: "\n")
        #expect(lines.map { $0.prefix(17) } == ["err t=1 not_found", "bye not_found no "])
        #expect(bench.session.isClosed)
    }

    @Test func whoHasAskedForSomethingStaysInItsVirtualHost() {
        var bench = SessionBench()
        bench.feed("ping\nhello 1 vhost=/shop t=1\nhello 1 vhost=/ t=2\n")
        let refusal = bench.requests()[1]
        #expect(refusal.hasPrefix("t=1 refuse("))
        #expect(refusal.contains(#"code: "mismatch""#))
        bench.reply(.done, to: RequestID(.max - 5))
        #expect(bench.output().hasPrefix("ok t=2 version=1 "))
    }

    // MARK: Coming in

    @Test func overAUnixSocketNobodyNeedsToSayHello() {
        var bench = SessionBench()
        guard case .attach(_, let info) = bench.session.commands.first else {
            Issue.record("nobody came in")
            return
        }
        #expect(info.user == "uid:1000")
        #expect(info.processID == 42)
        bench.feed("declare queue q\n")
        #expect(bench.requests() == [SessionBench.spell(.declareQueue(QueueDeclaration(name: "q")), untagged)])
    }

    @Test func overTCPNothingIsAskedOfTheBrokerBeforeHello() {
        var bench = SessionBench(SessionBench.loopback)
        bench.feed("ping t=1\nbeat\nping\n")
        #expect(bench.output() == "ok t=1\nok\n")
        #expect(bench.session.commands.isEmpty)
        bench.feed("hello 1 user=guest password=guest t=3\ndeclare queue q\n")
        #expect(bench.output().hasPrefix("ok t=3 version=1 server=Cola/0.1.0 user=guest admin=no heartbeat=0 "))
        #expect(bench.requests().count == 1)
    }

    @Test func nothingIsReadWhileThePasswordIsLookedAt() {
        var bench = SessionBench(SessionBench.loopback)
        bench.answersCredentials = false
        bench.feed("hello 1 user=guest password=guest t=1\ndeclare queue q t=2\ndecl")
        bench.feed("are queue r t=3\n")
        #expect(bench.session.credentials == Credentials(user: "guest", password: "guest", peer: SessionBench.loopback))
        #expect(bench.session.commands.isEmpty)
        #expect(bench.output() == "")
        #expect(bench.session.nextDeadline == nil)
        bench.session.receiveEnd()
        bench.answerCredentials()
        bench.enter()
        #expect(bench.output().hasPrefix("ok t=1 version=1 "))
        #expect(bench.requests().map { $0.prefix(3) } == ["t=2", "t=3", "bar"])
    }

    @Test func whatComesBehindAWrongPasswordIsNotRead() {
        var bench = SessionBench(SessionBench.loopback)
        bench.answersCredentials = false
        bench.feed("hello 1 user=guest password=no t=1\ndeclare queue q t=2\n")
        bench.answerCredentials()
        #expect(bench.session.commands.isEmpty)
        #expect(bench.output().hasPrefix("err t=1 unauthenticated final "))
        #expect(bench.session.isClosed)
    }

    @Test func guestComesFromLoopbackAlone() {
        var bench = SessionBench(.address("10.0.0.1:5", isLoopback: false))
        bench.feed("hello 1 user=guest password=guest\n")
        let output = bench.output()
        #expect(output.hasPrefix("err unauthenticated final "))
        #expect(output.contains("\nbye unauthenticated "))
        #expect(bench.session.isClosed)
    }

    @Test func aTokenIsWhoOneIsAndGoodOnce() {
        var bench = SessionBench(SessionBench.loopback, token: "5e5e")
        bench.feed("hello 1 t=1 token=5e5e\n")
        #expect(bench.output().hasPrefix("ok t=1 version=1 server=Cola/0.1.0 user=worker:resize admin=no "))
        let isItsWorkers = bench.session.commands.contains {
            if case .attach(_, let info) = $0 { info.worker?.name == "resize/7" } else { false }
        }
        #expect(isItsWorkers)
        bench.feed("child token t=2\nchild ended 7 t=3 signal=SEGV\n")
        let requests = bench.requests()
        #expect(requests.count == 2)
        var again = SessionBench(SessionBench.local, token: "5e5e")
        again.feed("hello 1 t=1 token=5e5f\n")
        #expect(again.requests().count == 2)
        #expect(!again.session.commands.contains { if case .attach = $0 { true } else { false } })
    }

    @Test func aTokenNeedsNoPasswordButAWrongPasswordIsWrong() {
        var bench = SessionBench(SessionBench.loopback, token: "5e5e")
        bench.feed("hello 1 t=1 token=5e5e user=guest password=no\n")
        #expect(bench.output().hasPrefix("err t=1 unauthenticated final "))
        #expect(bench.session.isClosed)
    }

    @Test func helloIsSaidOnce() {
        var server = SessionServer()
        server.feed("hello 1 client=one t=1\nhello 1 t=2\nping t=3\n")
        let lines = server.output().split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[0].hasPrefix("ok t=1 version=1 "))
        #expect(lines[1].hasPrefix("err t=2 syntax final "))
        #expect(lines[2] == "ok t=3")
    }

    @Test func tooManyConnectionsAreToldSo() {
        var bench = SessionBench()
        bench.session.refuseConnection(limit: 3)
        #expect(bench.session.commands.isEmpty)
        #expect(bench.output().hasPrefix("bye busy "))
        #expect(bench.session.isClosed)
    }

    // MARK: Time

    @Test func whoDoesNotSayHelloInTimeIsSentAway() {
        var bench = SessionBench(SessionBench.loopback)
        #expect(bench.session.nextDeadline == Instant(0).advanced(byMilliseconds: 10_000))
        bench.feed("ping\n")
        bench.session.tick(at: Instant(0).advanced(byMilliseconds: 9_999))
        #expect(!bench.session.isClosed)
        bench.session.tick(at: Instant(0).advanced(byMilliseconds: 10_000))
        #expect(bench.session.isClosed)
        #expect(bench.output().hasPrefix("ok\nbye timeout "))
    }

    @Test func whoHasSaidHelloHasTime() {
        var bench = SessionBench(SessionBench.loopback)
        bench.feed("hello 1 user=guest password=guest\n")
        #expect(bench.session.nextDeadline == nil)
        bench.session.tick(at: Instant(.max))
        #expect(!bench.session.isClosed)
    }

    @Test func heartbeatsAreSentWhenNothingElseIs() {
        var bench = SessionBench(SessionBench.loopback)
        bench.feed("hello 1 user=guest password=guest heartbeat=10\n")
        #expect(bench.output().contains(" heartbeat=10 "))
        func after(_ seconds: Int64) -> Instant { Instant(0).advanced(byMilliseconds: seconds * 1_000) }
        #expect(bench.session.nextDeadline == after(5))
        bench.session.tick(at: after(5))
        #expect(bench.output() == "beat\n")
        bench.session.didSend(at: after(8))
        bench.session.tick(at: after(12))
        #expect(bench.output().isEmpty)
        #expect(bench.session.nextDeadline == after(13))
        bench.now = after(13)
        bench.feed("beat\n")
        bench.session.tick(at: after(13))
        #expect(bench.output() == "beat\n")
        bench.session.tick(at: after(32))
        #expect(!bench.session.isClosed)
        bench.session.tick(at: after(33))
        #expect(bench.session.isClosed)
        #expect(bench.output().contains("bye timeout "))
    }

    // MARK: Going

    @Test func quitIsAnsweredBehindWhatWasAskedBefore() {
        var bench = SessionBench()
        bench.feed("ping t=1\nquit t=2\nping t=3\n")
        #expect(bench.requests().count == 2)
        bench.reply(.done, to: RequestID(1))
        #expect(!bench.session.isClosed)
        bench.reply(.done, to: RequestID(.max - 3))
        #expect(bench.session.isClosed)
        #expect(bench.output() == "ok t=1-2\n")
        bench.reply(.done, to: RequestID(9))
        #expect(bench.output().isEmpty)
    }

    @Test func theEndOfTheStreamStillAnswersWhatWasAsked() {
        var server = SessionServer()
        server.feed("declare queue q\npub q 1 t=1\nx\npub q 1 t=2\ny")
        server.end()
        #expect(server.output() == "ok ready=0\nok t=1\n")
        #expect(server.bench.session.isClosed)
    }

    @Test func afterAnErrorThatClosesNothingMoreIsRead() {
        var server = SessionServer()
        server.feed("ping t=1\npub q x\nping t=2\n")
        let lines = server.output().split(separator: "\n")
        #expect(lines.map { $0.prefix(8) } == ["ok t=1", "err synt", "bye synt"])
        server.feed("ping t=3\n")
        #expect(server.output().isEmpty)
    }

    // MARK: Limits

    @Test func aBodyMayBeAsLargeAsTheLimit() {
        var server = SessionServer(bodyBytesMax: 1_000)
        let body = String(repeating: "x", count: 1_000)
        server.feed("declare queue q\npub q 1000 t=1\n\(body)\npubs q 2 t=2\n0\n\n1000\n\(body)\n")
        #expect(server.output() == "ok ready=0\nok t=1-2\n")
        server.feed("pub q 1001 t=3\n")
        #expect(server.output().hasPrefix("err too_large final "))
        #expect(server.bench.session.isClosed)
    }

    @Test func aBodyThatArrivesSlowlyIsTakenOnce() {
        var server = SessionServer()
        server.feed("declare queue q\n")
        let body = String(repeating: "0123456789", count: 200)
        for byte in "pub q 2000 t=1\n\(body)\nget q t=2\n".utf8 { server.feed([byte]) }
        let output = server.output()
        #expect(output.hasPrefix("ok ready=0\nok t=1\nok t=2 delivery=0 offset=0 size=2000"))
        #expect(output.hasSuffix("\n\(body)\n"))
    }

    /// Whatever comes, nothing traps, and what is kept is bounded: a line and a body, or a line alone before hello.
    @Test(arguments: Seeds.of(40))
    func anyBytesAreSafe(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let isNew = seed.isMultiple(of: 2)
        var server = SessionServer(isNew ? SessionBench.loopback : SessionBench.local, bodyBytesMax: 500)
        let words = [
            "pub", "pubs", "q", " ", " ", " ", "\n", "\n", "1", "3", "500", "501", "hello 1", "declare queue q\n",
            "t=1",
            "consume", "c=1", "ack 1-9\n", "%", "%41", "=", "h.a=b", "x", "get q\n", "peek q\n", "\r", "\u{0}",
            "99999999", "alter q max-length=1\n", "policy p pattern=. max-length=1\n", "declare topic t partitions=3\n",
            "consume t c=2 group=g join=sticky\n", "seek 2 first\n", "redrive q\n", "why q 0\n", "describe queue q\n",
            "stat\n", "delay=1", "prio=3", "null=yes", "id=a", "declare vhost v\n", "hello 1 vhost=v\n",
            "nack 1 delay=1\n",
        ]
        for _ in 0..<400 {
            var piece: [UInt8] = []
            for _ in 0...Int.random(in: 0...5, using: &random) {
                if Int.random(in: 0...9, using: &random) == 0 {
                    piece.append(UInt8.random(in: 0...255, using: &random))
                } else {
                    piece += Array((words.randomElement(using: &random) ?? "").utf8)
                }
            }
            server.feed(piece[...])
            let limit = server.bench.session.isAttached ? 65_536 + 500 + 10_000 * 21 : 8_192
            #expect(server.bench.session.inputBytes <= limit)
            _ = server.output()
            if server.bench.session.isClosed {
                server = SessionServer(isNew ? SessionBench.loopback : SessionBench.local, bodyBytesMax: 500)
            }
        }
    }
}
