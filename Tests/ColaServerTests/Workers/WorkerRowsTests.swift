import ColaCore
import ColaServer
import ColaWorkers
import Testing

@Suite struct WorkerRowsTests {
    @Test func aWorkerIsToldInOneRow() throws {
        let rows = try WorkerScene().rows.workers
        #expect(rows.map { $0["name"] } == [.text("naps"), .text("zips")])
        let naps = try #require(rows.first)
        #expect(naps["queue"] == .text("jobs") && naps["mode"] == .text("stream") && naps["state"] == .text("running"))
        #expect(naps["processes"] == .number(2) && naps["min"] == .number(2) && naps["max"] == .number(2))
        #expect(naps["ready"] == .number(2) && naps["new"] == .number(0) && naps["starts"] == .number(2))
    }

    @Test func aProcessIsToldWithWhatTheKernelSays() throws {
        var scene = try WorkerScene()
        let id = try scene.firstNap()
        _ = scene.supervisor.apply(.took(id), at: scene.now)
        scene.messages[id] = HeldMessage(queue: "jobs", offset: Offset(12), since: scene.now)
        scene.now = scene.now.advanced(byMilliseconds: 1_500)
        let row = try #require(scene.rows.processes.first)
        #expect(row["name"] == .text("naps/\(id)") && row["worker"] == .text("naps"))
        #expect(row["instance"] == .number(Int(id.rawValue)) && row["pid"] == .number(101))
        #expect(row["parent"] == .number(90) && row["kernel-state"] == .text("sleeping"))
        #expect(row["state"] == .text("running") && row["state-ms"] == .number(1_500))
        #expect(row["uptime-ms"] == .number(50_000) && row["cpu-ms"] == .number(3_250))
        #expect(row["resident"] == .number(40_960) && row["threads"] == .number(3) && row["files"] == .number(4))
        #expect(row["nice"] == .number(5) && row["starts"] == .number(1) && row["messages"] == .number(1))
        guard case .fields(let message)? = row["message"] else {
            Issue.record("no message in \(row)")
            return
        }
        #expect(message["queue"] == .text("jobs") && message["offset"] == .number(12))
        #expect(message["held-ms"] == .number(1_500))
    }

    @Test func allRowsHaveTheSameMembers() throws {
        var scene = try WorkerScene()
        scene.processes = [:]
        let rows = scene.rows.processes
        #expect(rows.count == 3)
        let names = { (row: Description) in row.fields.map(\.name).sorted() }
        let first = try #require(rows.first)
        #expect(rows.allSatisfy { names($0) == names(WorkerRows.broker()) })
        #expect(first["parent"] == Description.Value.none && first["pid"] == .number(101))
    }

    @Test func whatWaitsForItsNextStartSaysWhen() throws {
        var scene = try WorkerScene()
        let id = try scene.firstNap()
        let usage = ResourceUsage(userMicroseconds: 0, systemMicroseconds: 0, residentBytesMost: 0)
        _ = scene.supervisor.apply(.exited(id, .code(1), usage), at: scene.now)
        let row = try #require(scene.rows.processes.first)
        #expect(row["state"] == .text("terminated") && row["pid"] == Description.Value.none)
        #expect(row["failures"] == .number(1))
        guard case .number(let milliseconds)? = row["next-start-ms"] else {
            Issue.record("no next start in \(row)")
            return
        }
        #expect(milliseconds > 0 && milliseconds < 60_000)
    }

    @Test func theDescriptionOfAWorkerHasItsDefinitionButNoSecrets() throws {
        let scene = try WorkerScene()
        let description = try scene.rows.description(of: .init(worker: "naps")).get()
        guard case .fields(let definition)? = description["definition"],
            case .list(let instances)? = description["instances"], case .list(let changes)? = description["changes"]
        else {
            Issue.record("\(description)")
            return
        }
        #expect(definition["command"] == .list([.text("sleep"), .text("60")]))
        #expect(definition["environment"] == .list([.text("TOKEN")]))
        #expect(!"\(description)".contains("secret"))
        #expect(instances.count == 2 && !changes.isEmpty)
    }

    @Test func theDescriptionOfAnInstanceHasAllThatTheKernelSays() throws {
        let scene = try WorkerScene()
        let id = try scene.firstNap()
        let target = WorkerRequest.Target(worker: "naps", instance: id.rawValue)
        let description = try scene.rows.description(of: target).get()
        #expect(description["group"] == .number(101) && description["session"] == .number(101))
        #expect(description["user-ms"] == .number(2_500) && description["system-ms"] == .number(750))
        #expect(description["voluntary-switches"] == .number(41))
        #expect(description["wait-channel"] == .text("do_wait") && description["paused"] == .truth(false))
        #expect(!"\(description)".contains("secret"))
    }

    @Test func whatThereIsNotIsNotFoundAndTheNearestIsNamed() throws {
        let scene = try WorkerScene()
        let first = try scene.firstNap().rawValue
        for target in ["nap", "-x", "zips/\(first)", "naps/999"] {
            let target = try #require(WorkerRequest.Target(target))
            guard case .failure(let error) = scene.rows.description(of: target) else {
                Issue.record("\(target) was found")
                continue
            }
            #expect(error.code == "not_found" && error.description.contains(target.name))
            #expect(target.worker != "nap" || error.description.contains("did you mean naps?"))
        }
    }
}
