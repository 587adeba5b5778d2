import ColaCore
import ColaServer
import ColaStore
import Logging
import NIOCore
import NIOEmbedded
import Testing

/// From the line of a client to whoever runs the workers, and back.
@Suite struct WorkerDeskTests {
    /// Keeps what it is asked, and answers what the test wants.
    private final class Desk: WorkerDesk {
        var asked: [WorkerRequest] = []
        var result: Result<WorkerAnswer, BrokerError> = .success(.done)

        /// Answers wait in `late`.
        var isLate = false
        var late: [() -> Void] = []

        func answer(
            _ request: WorkerRequest, at now: Instant, then: @escaping (Result<WorkerAnswer, BrokerError>) -> Void
        ) {
            asked.append(request)
            let result = result
            if isLate { late.append { then(result) } } else { then(result) }
        }
    }

    /// A server and one connection to it.
    private struct Bench {
        let loop = EmbeddedEventLoop()
        let server: EmbeddedServer
        let channel: EmbeddedChannel

        init(_ desk: Desk?, user: Int = 0) throws {
            server = try EmbeddedServer(
                store: MemoryStore(disk: MemoryStore.Disk(), mode: .manual), on: loop, options: .init(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                clock: { Now(monotonic: Instant(1), wall: Timestamp(1)) }, failed: { _ in })
            server.workerDesk = desk
            channel = EmbeddedChannel(loop: loop)
            try server.accept(channel, from: .process(id: 1, user: user, group: 0))
            channel.pipeline.fireChannelActive()
        }

        func ask(_ lines: String) throws -> String {
            try channel.writeInbound(ByteBuffer(string: lines))
            channel.pipeline.fireChannelReadComplete()
            loop.run()
            var said = ""
            while var bytes = try channel.readOutbound(as: ByteBuffer.self) {
                said += bytes.readString(length: bytes.readableBytes) ?? ""
            }
            return said
        }

        func end() throws {
            server.stop()
            _ = try channel.finish(acceptAlreadyClosed: true)
        }
    }

    @Test func everyRequestReachesTheDeskAndIsAnsweredInItsTurn() throws {
        let desk = Desk()
        let bench = try Bench(desk)
        let said = try bench.ask(
            "worker stop resize t=1\nworker scale resize min=1 max=4 t=2\nping t=3\n"
                + "worker kill resize/7 signal=HUP t=4\n"
        )
        #expect(said == "ok t=1\nok t=2-3\nok t=4\n")
        let resize = WorkerRequest.Target(worker: "resize")
        #expect(
            desk.asked == [
                .control(.stop, resize), .control(.scale(1...4), resize),
                .control(.kill(signal: "HUP"), .init(worker: "resize", instance: 7)),
            ])
        try bench.end()
    }

    @Test func rowsAndDescriptionsComeAsJSON() throws {
        let desk = Desk()
        let bench = try Bench(desk)
        var row = Description()
        row.add("name", "resize")
        desk.result = .success(.rows([row]))
        #expect(try bench.ask("list workers\n") == "ok size=19\n[{\"name\":\"resize\"}]\n")
        let processes = try bench.ask("list processes\n")
        #expect(processes.contains("[{\"name\":\"cola\",\"worker\":null,"))
        #expect(processes.hasSuffix(",{\"name\":\"resize\"}]\n"))
        desk.result = .success(.description(row))
        #expect(try bench.ask("describe worker resize/2 t=9\n") == "ok t=9 size=17\n{\"name\":\"resize\"}\n")
        #expect(desk.asked.last == .show(.init(worker: "resize", instance: 2)))
        try bench.end()
    }

    @Test func anAnswerMayComeLaterAndWhatWasAskedMeanwhileIsAnsweredAfterIt() throws {
        let desk = Desk()
        let bench = try Bench(desk)
        desk.isLate = true
        #expect(try bench.ask("logs resize wait=1000 t=1\nping t=2\n") == "")
        #expect(desk.asked == [.output(OutputQuery(target: .init(worker: "resize"), waitMilliseconds: 1_000))])
        desk.late.removeFirst()()
        #expect(try bench.ask("") == "ok t=1-2\n")
        // One whose connection has gone is for nobody.
        #expect(try bench.ask("logs\n") == "")
        try bench.end()
        desk.late.removeFirst()()
    }

    @Test func whatTheDeskRefusesIsAnErrorAndTheConnectionGoesOn() throws {
        let desk = Desk()
        let bench = try Bench(desk)
        desk.result = .failure(.worker(.notFound("there is no worker 'x'")))
        #expect(try bench.ask("describe worker x\nping\n") == "err not_found final there is no worker 'x'\nok\n")
        desk.result = .failure(.worker(.busy("the server is stopping")))
        #expect(try bench.ask("worker start x\n") == "err busy retry the server is stopping\n")
        try bench.end()
    }

    @Test func withoutWorkersListingsHaveNoneAndTheRestSaysHowToDefineThem() throws {
        let bench = try Bench(nil)
        #expect(try bench.ask("list workers\n") == "ok size=2\n[]\n")
        #expect(try bench.ask("list processes\n").contains("[{\"name\":\"cola\","))
        for line in ["describe worker x\n", "worker start x\n", "logs\n"] {
            let said = try bench.ask(line)
            #expect(said.hasPrefix("err not_found final this server runs no workers; define them under `workers:`"))
        }
        try bench.end()
    }

    @Test func nobodyButAnAdministratorReachesTheDesk() throws {
        let desk = Desk()
        let bench = try Bench(desk, user: 4711)
        for line in ["list workers", "list processes", "describe worker x", "worker stop x", "logs"] {
            let said = try bench.ask(line + "\n")
            #expect(said.hasPrefix("err access_refused final only an administrator may "), "\(said)")
        }
        #expect(desk.asked.isEmpty)
        try bench.end()
    }
}
