import ColaWorkers
import Foundation
import Testing

/// The broker's side, with the real keeper and real processes. One after the other: what a keeper leaves behind falls
/// to the process of the tests, and another keeper's must not be among its children then.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct KeeperProcessTests {
    /// The executable that was built with these tests.
    private static let executable: String = {
        let itself = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        return itself.deletingLastPathComponent().appending(path: "cola").path(percentEncoded: false)
    }()

    private func shell(_ script: String, environment: [String] = []) -> ProcessSpec {
        ProcessSpec(
            executable: "/bin/sh", arguments: ["sh", "-c", script], environment: ["PATH=/bin:/usr/bin"] + environment)
    }

    /// Gives a keeper to `body`, and stops it then.
    private func withKeeper(
        _ executable: String = Self.executable, _ body: (KeeperProcess, NoticeLog) throws -> Void
    ) throws {
        let log = NoticeLog()
        let keeper = KeeperProcess(executable: executable) { log.append($0) }
        defer { keeper.stop() }
        try body(keeper, log)
    }

    @Test func aProcessIsStartedAndItsEndIsTold() throws {
        try withKeeper { keeper, log in
            let instance = SpawnID(1)
            keeper.send(.spawn(instance, shell("exit 7")))
            let events = try log.waitUntilSwept(instance)
            guard case .exited(_, .code(7), let usage) = events[1] else {
                Issue.record("\(events)")
                return
            }
            #expect(usage.residentBytesMost > 0)
            #expect(events.count == 3)
            guard case .event(.ready(let residentBytes)) = log.notices.first else {
                Issue.record("\(log.notices)")
                return
            }
            #expect(residentBytes > 0)
        }
    }

    @Test func descriptorsTravelAndAreClosedHere() throws {
        try withKeeper { keeper, log in
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            keeper.send(.spawn(SpawnID(1), shell("echo hello")), descriptors: [dup(ends[1]), ends[1]])
            _ = try log.waitUntilSwept(SpawnID(1))
            var bytes = [UInt8](repeating: 0, count: 16)
            let count = read(ends[0], &bytes, bytes.count)
            #expect(String(decoding: bytes.prefix(count), as: UTF8.self) == "hello\n")
            // The end of the pipe is met, because nobody has the other end any more.
            #expect(read(ends[0], &bytes, bytes.count) == 0)
            close(ends[0])
        }
    }

    @Test func aSignalIsPassedOn() throws {
        try withKeeper { keeper, log in
            keeper.send(.spawn(SpawnID(1), shell("exec sleep 1000")))
            _ = try log.waitUntilStarted(SpawnID(1))
            keeper.send(.signal(SpawnID(1), number: SIGTERM, .process))
            let events = try log.waitUntilSwept(SpawnID(1))
            guard case .exited(_, .signal(SIGTERM, false), _) = events[1] else {
                Issue.record("\(events)")
                return
            }
        }
    }

    @Test func aNicenessIsSetAndAnswered() throws {
        try withKeeper { keeper, log in
            // Nobody of that number.
            keeper.send(.renice(SpawnID(7), value: 19))
            _ = try log.wait { _ in log.events(of: SpawnID(7)).first == .reniced(SpawnID(7), error: ESRCH) ? true : nil
            }
            keeper.send(.spawn(SpawnID(1), shell("exec sleep 1000")))
            let process = try log.waitUntilStarted(SpawnID(1))
            keeper.send(.renice(SpawnID(1), value: 19))
            _ = try log.wait { _ in log.events(of: SpawnID(1)).contains(.reniced(SpawnID(1), error: 0)) ? true : nil }
            #expect(getpriority(Int32(PRIO_PROCESS.rawValue), UInt32(process)) == 19)
            keeper.send(.signal(SpawnID(1), number: SIGKILL, .process))
            _ = try log.waitUntilSwept(SpawnID(1))
        }
    }

    @Test func whatCannotBeSentIsToldAtOnce() throws {
        try withKeeper { keeper, log in
            keeper.send(.spawn(SpawnID(1), shell(String(repeating: "x", count: 200_000))))
            keeper.send(.spawn(SpawnID(2), ProcessSpec(executable: "/bin/sh", arguments: [])))
            keeper.send(.spawn(SpawnID(3), ProcessSpec(executable: "/no/such", arguments: ["such"])))
            let expected = [
                "cannot start '/bin/sh': its arguments and environment take 200081 bytes, and 131072 is the most; "
                    + "put what is large into a file or into the message",
                "cannot start '/bin/sh': there are no arguments; the first is the name of the program",
                "cannot start '/no/such': there is no such file",
            ]
            for (index, sentence) in expected.enumerated() {
                let instance = SpawnID(UInt64(index + 1))
                let failure = try log.wait { _ -> StartFailure? in
                    guard case .failed(_, let failure) = log.events(of: instance).first else { return nil }
                    return failure
                }
                #expect(failure.description == sentence)
            }
        }
    }

    @Test func withoutAKeeperItSaysSo() throws {
        try withKeeper("/no/such/cola") { keeper, log in
            keeper.send(.spawn(SpawnID(1), shell("exit 0")))
            let failure = try log.wait { _ -> StartFailure? in
                guard case .failed(_, let failure) = log.events(of: SpawnID(1)).first else { return nil }
                return failure
            }
            #expect(failure.step == .keeper)
            #expect(
                failure.description == "cannot start '/bin/sh': no keeper of the workers: No such file or directory")
        }
    }

    @Test func stoppingLeavesNobodyAndTellsEveryEnd() throws {
        let mark = "COLA_KEEPER_TEST=\(UUID())"
        let log = NoticeLog()
        let keeper = KeeperProcess(executable: Self.executable) { log.append($0) }
        for number in 1...5 as ClosedRange<UInt64> {
            keeper.send(.spawn(SpawnID(number), shell("setsid sleep 1000 & exec sleep 1000", environment: [mark])))
            _ = try log.waitUntilStarted(SpawnID(number))
        }
        keeper.stop()
        keeper.stop()
        #expect(processes(withMark: mark) == [])
        for number in 1...5 as ClosedRange<UInt64> {
            let events = log.events(of: SpawnID(number))
            #expect(events.count == 3)
            #expect(events.last == .swept(SpawnID(number), survivorsKilled: 0))
        }
        #expect(!log.notices.contains { if case .lost = $0 { true } else { false } })
    }

    @Test func theDeathOfTheKeeperEndsAllAndTheNextRequestStartsAnother() throws {
        let mark = "COLA_KEEPER_TEST=\(UUID())"
        try withKeeper { keeper, log in
            let daemon = "(setsid env -i sh -c 'sleep 1000; : \(mark)' &) ; setsid sleep 1000 & exec sleep 1000"
            for number in 1...3 as ClosedRange<UInt64> {
                keeper.send(.spawn(SpawnID(number), shell(daemon, environment: [mark])))
                _ = try log.waitUntilStarted(SpawnID(number))
            }
            _ = try log.wait { _ in processes(withMark: mark).count >= 9 ? true : nil }
            let first = try log.waitUntilStarted(SpawnID(1))
            kill(parent(of: first), SIGKILL)
            for number in 1...3 as ClosedRange<UInt64> {
                let events = try log.waitUntilSwept(SpawnID(number))
                #expect(
                    events[1] == .exited(SpawnID(number), .signal(SIGKILL, isCoreDumped: false), ResourceUsage()))
            }
            // When an end is told, it has come.
            #expect(processes(withMark: mark) == [])
            #expect(log.notices.contains(.lost(reason: "the keeper of the workers has died")))
            #expect(zombies() == [])

            keeper.send(.spawn(SpawnID(4), shell("exit 0")))
            let events = try log.waitUntilSwept(SpawnID(4))
            #expect(events.count == 3)
        }
    }

    @Test func manyAtOnceAllEnd() throws {
        try withKeeper { keeper, log in
            for number in 1...300 as ClosedRange<UInt64> { keeper.send(.spawn(SpawnID(number), shell("exit 0"))) }
            for number in 1...300 as ClosedRange<UInt64> {
                let events = try log.waitUntilSwept(SpawnID(number))
                #expect(events.count == 3)
            }
        }
    }

    private func parent(of process: Int32) -> Int32 {
        let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        let fields = status?.split(separator: ")").last?.split(separator: " ")
        return fields.flatMap { Int32($0[1]) } ?? -1
    }

    /// Living processes with `mark` in their environment or arguments.
    private func processes(withMark mark: String) -> [Int32] {
        everybody().filter { process in
            let shown = ["environ", "cmdline"].compactMap {
                FileManager.default.contents(atPath: "/proc/\(process)/\($0)")
            }
            return shown.contains { $0.firstRange(of: Data(mark.utf8)) != nil }
        }
    }

    /// Dead children of this process that nobody has collected, and that are no keeper's.
    private func zombies() -> [Int32] {
        everybody().filter { process in
            guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else {
                return false
            }
            return status.contains(") Z \(getpid()) ")
        }
    }

    private func everybody() -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap(Int32.init).filter { $0 != getpid() }
    }
}
