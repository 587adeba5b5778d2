import ColaCore
import ColaServer
import ColaWorkers
import Testing

@Suite struct WorkerOrderTests {
    private static func order(_ operation: WorkerRequest.Operation, _ target: String = "naps") throws -> WorkerOrder {
        try WorkerOrder(operation, try #require(WorkerRequest.Target(target)), for: try WorkerScene().supervisor)
    }

    @Test func operationsAreCommandsOfTheSupervisor() throws {
        let naps = OperatorCommand.Target.worker(try #require(WorkerName("naps")))
        let id = try WorkerScene().firstNap()
        #expect(try Self.order(.start) == .command(.start, naps))
        #expect(try Self.order(.stop, "naps/\(id)") == .command(.stop, .instance(id)))
        #expect(try Self.order(.restart) == .command(.restart, naps))
        #expect(try Self.order(.scale(1...4)) == .command(.scale(1...4), naps))
        #expect(try Self.order(.pause) == .command(.pause, naps))
        #expect(try Self.order(.resume) == .command(.resume, naps))
    }

    @Test func killIsTheEndByForceOrASignal() throws {
        let scene = try WorkerScene()
        let naps = OperatorCommand.Target.worker(try #require(WorkerName("naps")))
        let id = try scene.firstNap()
        #expect(try Self.order(.kill(signal: nil)) == .command(.kill, naps))
        #expect(try Self.order(.kill(signal: "SIGKILL")) == .command(.kill, naps))
        #expect(try Self.order(.kill(signal: "usr1"), "naps/\(id)") == .signal(Signal(10), [id]))
        guard case .signal(.terminate, let all) = try Self.order(.kill(signal: "15")) else {
            Issue.record("not to all")
            return
        }
        #expect(all.count == 2)
    }

    @Test func nicenessIsOfTheInstancesThatThereAre() throws {
        let id = try WorkerScene().firstNap()
        #expect(try Self.order(.nice(-5), "naps/\(id)") == .nice(-5, [id]))
        guard case .nice(19, let all) = try Self.order(.nice(19)) else {
            Issue.record("not of all")
            return
        }
        #expect(all.count == 2)
    }

    @Test func whatCannotBeIsSaidWithItsCode() throws {
        #expect(throws: BrokerError.self) { try Self.order(.stop, "nip") }
        do {
            _ = try Self.order(.kill(signal: "TERN"))
            Issue.record("there is no such signal")
        } catch let error as BrokerError {
            #expect(error.code == "syntax" && error.description.contains("'TERN'"))
        }
        let naps = try #require(WorkerName("naps"))
        let codes = [
            SupervisorError.noWorker(naps, near: nil), .noInstance(InstanceID(1)), .tooMany(naps, 1_001),
            .noQueue(naps),
            .scalesWorkersOnly(InstanceID(1), of: naps), .shuttingDown,
        ].map { BrokerError($0).code }
        #expect(codes == ["not_found", "not_found", "mismatch", "mismatch", "mismatch", "busy"])
    }
}
