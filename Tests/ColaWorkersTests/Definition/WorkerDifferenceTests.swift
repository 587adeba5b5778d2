import ColaWorkers
import Testing

/// What a reload changes, and the text that a definition is written back to.
@Suite struct WorkerDifferenceTests {
    /// A value other than the default for every key, with what it does to processes that run.
    static let everyKey: [(fields: Written, field: String, inStream: Bool, inExec: Bool)] = [
        (["queue": "other"], "queue", true, true), (["vhost": "v"], "vhost", true, true),
        (["command": ["x", "y z"]], "command", true, false), (["processes": "2-4"], "processes", false, false),
        (["directory": "/d"], "directory", true, false), (["user": "u"], "user", true, false),
        (["group": "g"], "group", true, false), (["umask": "0022"], "umask", true, false),
        (["nice": "3"], "nice", true, false), (["environment": ["A": "1"]], "environment.A", true, false),
        (["pass-environment": []], "pass-environment", true, false),
        (["limits": ["memory": "1G"]], "limits.memory", true, false),
        (["limits": ["cpu": "5s"]], "limits.cpu", true, false),
        (["limits": ["open-files": "10"]], "limits.open-files", true, false),
        (["limits": ["processes": "10"]], "limits.processes", true, false),
        (["backoff": ["factor": "3"]], "backoff.factor", false, false),
        (["backoff": ["jitter": "50%"]], "backoff.jitter", false, false),
        (["backoff": ["reset-after": "1s"]], "backoff.reset-after", false, false),
        (["backoff": ["crashes": "9"]], "backoff.crashes", false, false),
        (["stop": ["signal": "USR1"]], "stop.signal", false, false),
        (["stop": ["signal": "42"]], "stop.signal", false, false),
        (["stop": ["grace": "1s"]], "stop.grace", false, false),
        (["time-limit": "1s"], "time-limit", false, false),
    ]

    @Test func everyChangeOfASettingIsFoundAlone() throws {
        for change in Self.everyKey {
            for (mode, needsRestart) in [("stream", change.inStream), ("exec", change.inExec)] {
                let old = try definition(["mode": .text(mode)])
                let new = try definition(change.fields.with(["mode": .text(mode)]))
                let difference = WorkerDefinition.difference([old], [new])
                guard case .changed(let changes)? = difference.first?.kind else {
                    Issue.record("\(change.field) is not seen")
                    continue
                }
                #expect(changes.map(\.field) == [change.field])
                #expect(changes.map(\.needsRestart) == [needsRestart], "\(mode) \(change.field)")
                #expect(new.needsRestart(since: old) == needsRestart)
            }
        }
    }

    @Test func whatIsWrittenIsReadAsTheSame() throws {
        var all = Self.everyKey.map(\.fields)
        all += [
            ["exit-codes": ["0": "reject", "1-63": "ack", "others": "retry", "signal": "reject"]],
            ["retry": ["delay": "1s"]], ["retry": ["delays": ["1s", "2s"], "attempts": "9"]],
            ["retry": ["first": "5s", "most": "10s", "factor": "1.5", "jitter": "7%"]], ["retry": ["attempts": "2"]],
            ["result-queue": "r"], ["backoff": ["first": "1s", "most": "2s"]],
            ["processes": "1-2", "autoscale": ["age": "1s", "idle-for": "2 min", "drain-within": "1s"]],
            ["mode": "client", "start-limit": "5s", "restart": "on-failure", "prefetch": "100"],
        ]
        for fields in all {
            let worker = try definition(fields)
            let node = WorkerDefinition.node(of: [worker])
            #expect(try WorkerDefinition.all(from: node) == [worker])
        }
    }

    @Test func aReloadIsToldInLines() throws {
        func named(_ name: String, _ fields: Written) throws -> WorkerDefinition {
            let standard: Written = ["queue": "q", "command": ["./run"], "mode": "stream"]
            return try #require(try WorkerDefinition.all(from: Written.map([(name, standard.with(fields))]).node).first)
        }
        let old = try [named("a", [:]), named("b", ["nice": "1", "environment": ["KEY": "old"]]), named("c", [:])]
        let new = try [
            named("d", [:]), named("b", ["processes": "2", "environment": ["KEY": "new"]]), named("a", [:]),
        ]
        let text = WorkerDefinition.difference(old, new).map(\.description).joined(separator: "\n")
        #expect(
            text == """
                worker d: added
                worker b: changed
                  nice: 1 -> default (processes are replaced one by one)
                  environment.KEY: set -> set anew (processes are replaced one by one)
                  processes: default -> 2 (holds at once)
                worker a: unchanged
                worker c: removed; its processes are stopped
                """)
    }
}
