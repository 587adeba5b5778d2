import ColaCore
import ColaWorkers
import OrderedCollections
import Testing

/// Definitions as the file has them: what is read, what holds without being said, and what is refused.
@Suite struct WorkerDefinitionTests {
    @Test func withoutAnythingTheDefaultsHold() throws {
        let worker = try definition()
        #expect(worker.name.description == "w")
        #expect(worker.queue == "jobs")
        #expect(worker.virtualHost == "/")
        #expect(worker.command == ["./run"])
        #expect(worker.mode == .exec)
        #expect(worker.processes == 1...1)
        #expect(worker.prefetch == 1)
        #expect(worker.passEnvironment == ["PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR"])
        #expect(worker.restart == .always)
        #expect(worker.backoff.delay.first == 100 && worker.backoff.delay.most == 60_000)
        #expect(worker.backoff.resetAfter == 10_000)
        #expect(worker.stop.signal == .terminate && worker.stop.grace == 10_000)
        #expect(worker.retry.attempts == 5)
        #expect(try definition(["mode": "stream"]).prefetch == 10)
    }

    @Test func everythingIsRead() throws {
        let worker = try definition([
            "queue": "images", "vhost": "shop", "command": "./resize 'a b' \"c\" d\\ e", "mode": "exec",
            "processes": "2-8", "directory": "/srv", "user": "www", "group": "100", "umask": "0027", "nice": "-5",
            "environment": ["A": "1", "B": ""], "pass-environment": ["PATH", "X_*"],
            "limits": ["memory": "512MiB", "cpu": "2 min", "open-files": "64", "processes": "9"],
            "backoff": [
                "first": "1s", "most": "5s", "factor": "1.5", "jitter": "0%", "reset-after": "1 min", "crashes": "2",
            ],
            "stop": ["signal": "INT", "grace": "3s"], "time-limit": "10 min",
            "exit-codes": ["3": "ack", "1-2": "retry", "others": "retry", "signal": "reject"],
            "retry": ["delays": ["1s", "1 min"]], "result-queue": "thumbs",
            "autoscale": ["drain-within": "20s", "age": "2s", "idle-for": "90s"],
        ])
        #expect(worker.command == ["./resize", "a b", "c", "d e"])
        #expect(worker.virtualHost == "shop")
        #expect(worker.processes == 2...8 && worker.isScaled)
        #expect(worker.umask == 0o27 && worker.nice == -5)
        #expect(worker.environment == ["A": "1", "B": ""])
        #expect(worker.limits.memory == 512 << 20 && worker.limits.cpuSeconds == 120)
        #expect(worker.limits.openFiles == 64 && worker.limits.processes == 9)
        #expect(worker.backoff.delay == ExponentialDelay(first: 1_000, most: 5_000, factor: 1.5, jitter: 0))
        #expect(worker.backoff.crashes == 2)
        #expect(worker.stop.signal.number == 2 && worker.stop.grace == 3_000)
        #expect(worker.timeLimit == 600_000)
        #expect(worker.exitCodes.outcome(of: .code(0)) == .ack)
        #expect(worker.exitCodes.outcome(of: .code(2)) == .retry)
        #expect(worker.exitCodes.outcome(of: .code(3)) == .ack)
        #expect(worker.exitCodes.outcome(of: .code(4)) == .retry)
        #expect(worker.exitCodes.outcome(of: .signal(9, isCoreDumped: false)) == .reject)
        #expect(worker.retry == RetryRule(pace: .list([1_000, 60_000]), attempts: 3))
        #expect(worker.autoscale.idleFor == 90_000)
    }

    @Test func processesAreANumberARangeOrTwoEnds() throws {
        #expect(try definition(["processes": "0"]).processes == 0...0)
        #expect(try definition(["processes": "4"]).processes == 4...4)
        #expect(try definition(["processes": "0-4"]).processes == 0...4)
        #expect(try definition(["processes": ["min": "1", "max": "4"]]).processes == 1...4)
        #expect(try definition(["processes": ["max": "4"]]).processes == 0...4)
    }

    @Test func retriesAreFixedGrowingOrAList() throws {
        #expect(try definition(["retry": ["delay": "5s"]]).retry == RetryRule(pace: .fixed(5_000), attempts: 5))
        let growing = try definition(["retry": ["first": "2s", "attempts": "9"]]).retry
        #expect(growing == RetryRule(pace: .exponential(.init(first: 2_000, most: 3_600_000)), attempts: 9))
        #expect(try definition(["retry": ["most": "500ms"]]).retry.delay(after: 1, random: 0) == 500)
    }

    @Test func aProcessThatFeedsItselfNeedsNoQueue() throws {
        let node = Written.map([("web", ["command": ["serve"], "mode": "client", "restart": "never"])]).node
        let worker = try #require(try WorkerDefinition.all(from: node).first)
        #expect(worker.queue == nil)
        #expect(worker.restart == .never)
    }

    /// For each setting a value that is wrong, what is said of it, and the place that is named.
    @Test(
        arguments: [
            (["queue": ""], "worker w: queue is ''; it must be a text that is not empty"),
            (["queue": ["a"]], "worker w: queue is '[a]'"),
            (["command": []], "worker w: command is '[]'; it must be a program and its arguments"),
            (["command": ""], "worker w: command is ''"),
            (["command": ["a": "b"]], "worker w: command is '{a: b}'"),
            (["command": [["a"]]], "worker w: command is '[a]'; it must be a list of texts"),
            (["command": "cat $FILE"], "with a $ that only a shell understands"),
            (["command": "a | b"], "write [sh, -c, 'COMMAND']"),
            (["command": "echo 'x"], "has no end"),
            (["mode": "batch"], "worker w: mode is 'batch'; it must be exec or stream or client"),
            (["processes": "4-2"], "worker w: processes is '4-2'; it must be a number from 0 to 1000, or a range"),
            (["processes": "1001"], "worker w: processes is '1001'"),
            (["processes": "-1"], "worker w: processes is '-1'"),
            (["processes": "1-2-3"], "worker w: processes is '1-2-3'"),
            (["processes": ["min": "5", "max": "2"]], "processes.min is '5'; it must be at most processes.max"),
            (["processes": ["min": "5"]], "worker w: processes.max is missing"),
            (["mode": "stream", "prefetch": "0"], "worker w: prefetch is '0'; it must be a number from 1 to 65535"),
            (["prefetch": "3"], "worker w: prefetch is for mode stream and client; the mode is exec"),
            (["restart": "never"], "worker w: restart is for mode stream and client"),
            (["mode": "client", "exit-codes": ["1": "ack"]], "worker w: exit-codes is for mode exec"),
            (["mode": "client", "result-queue": "r"], "worker w: result-queue is for mode exec"),
            (["umask": "9"], "worker w: umask is '9'; it must be an octal mask"),
            (["nice": "20"], "worker w: nice is '20'; it must be a number from -20 to 19"),
            (["environment": ["A=B": "x"]], "worker w: environment has a variable 'A=B'"),
            (["environment": ["A": ["secret"]]], "worker w: environment.A must be one text"),
            (["environment": "A"], "worker w: environment must be lines"),
            (["pass-environment": ["A*B"]], "worker w: pass-environment has 'A*B'"),
            (["limits": ["memory": "12X"]], "worker w: limits.memory is '12X'; it must be a size from 1MiB to 1024TiB"),
            (["limits": ["memory": "1K"]], "worker w: limits.memory is '1K'"),
            (["limits": ["cpu": "1500ms"]], "worker w: limits.cpu is '1500ms'; it must be whole seconds"),
            (["limits": ["open-files": "1"]], "worker w: limits.open-files is '1'"),
            (["limits": ["memroy": "1G"]], "worker w: limits.memroy is no setting of a worker; did you mean memory?"),
            (["limits": "1G"], "worker w: limits is '1G'; it must be lines of the form `name: value`"),
            (["backoff": ["first": "1h", "most": "1s"]], "backoff.first is '1h'; it must be at most backoff.most, 1s"),
            (["backoff": ["factor": "0.5"]], "worker w: backoff.factor is '0.5'; it must be a number from 1 to 100"),
            (["backoff": ["factor": "nan"]], "worker w: backoff.factor is 'nan'"),
            (["backoff": ["jitter": "0.2"]], "worker w: backoff.jitter is '0.2'; it must be a part from 0% to 100%"),
            (["backoff": ["first": "0"]], "worker w: backoff.first is '0'; it must be a duration from 10ms"),
            (["stop": ["signal": "STOP"]], "worker w: stop.signal is 'STOP'; it must be a signal that ends a process"),
            (["stop": ["grace": "10"]], "worker w: stop.grace is '10'; it must be a duration"),
            (["time-limit": "0"], "worker w: time-limit is '0'; it must be a duration from 1ms"),
            (["exit-codes": ["256": "ack"]], "worker w: exit-codes.256 is no exit code"),
            (["exit-codes": ["1": "drop"]], "worker w: exit-codes.1 is 'drop'; it must be ack or retry or reject"),
            (
                ["exit-codes": ["1-5": "ack", "5": "retry"]],
                "worker w: exit-codes.5 says something about codes that 1-5"
            ),
            (["exit-codes": "ack"], "worker w: exit-codes is 'ack'"),
            (["retry": ["attempts": "0"]], "worker w: retry.attempts is '0'"),
            (["retry": ["delays": []]], "worker w: retry.delays is '[]'"),
            (["retry": ["delays": ["1s", "x"]]], "worker w: retry.delays is 'x'; it must be a duration"),
            (["retry": ["delay": "1s", "first": "1s"]], "worker w: retry has delay and first; say one of"),
            (["autoscale": ["age": "1s"]], "worker w: autoscale needs a range of processes"),
            (["processes": "1-2", "autoscale": ["idle-for": "1ms"]], "worker w: autoscale.idle-for is '1ms'"),
            (["comand": "x"], "worker w: comand is no setting of a worker; did you mean command?"),
            (["zzz": "x"], "worker w: zzz is no setting of a worker; there are queue, vhost, command"),
        ] as [(Written, String)])
    func whatIsWrongIsNamed(fields: Written, said: String) {
        #expect(complaint(fields).contains(said))
    }

    @Test func allThatIsWrongIsToldAtOnce() {
        let node = Written.map([
            ("a", ["queue": "q", "nice": "99", "umask": "x"]), ("-b", ["queue": "q", "command": "x"]), ("c", "text"),
        ]).node
        #expect {
            _ = try WorkerDefinition.all(from: node)
        } throws: { error in
            let fields = (error as? DefinitionErrors)?.errors.map { "\($0.worker) \($0.field)" }
            return fields == ["a command", "-b ", "c "]
        }
        #expect(complaint(["nice": "99", "umask": "x"]).split(separator: "\n").count == 2)
    }

    @Test func aValueOfTheEnvironmentIsInNoError() {
        #expect(!complaint(["environment": ["KEY": ["hunter2"]]]).contains("hunter2"))
        #expect(!complaint(["environment": ["KEY=hunter2"]]).contains("hunter2"))
    }

    @Test func noWorkersAreNone() throws {
        #expect(try WorkerDefinition.all(from: .scalar("")).isEmpty)
        #expect(try WorkerDefinition.all(from: .mapping([:])).isEmpty)
        #expect(throws: DefinitionErrors.self) { try WorkerDefinition.all(from: .scalar("x")) }
        #expect(throws: DefinitionErrors.self) { try WorkerDefinition.all(from: .sequence([])) }
    }

    @Test func aWorkerThatIsFedNeedsAQueue() {
        for (fields, reason) in [
            (["command": "x"], "it is fed from one"),
            (["command": "x", "mode": "client", "processes": "1-2"], "follows a queue"),
        ] as [(Written, String)] {
            #expect {
                _ = try WorkerDefinition.all(from: Written.map([("w", fields)]).node)
            } throws: { "\($0)".contains("queue is missing; the worker needs it") && "\($0)".contains(reason) }
        }
    }
}
