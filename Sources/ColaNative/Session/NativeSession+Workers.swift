internal import ColaCore

// `worker`, `logs`, `reload`, `list workers`, `list processes` and `describe worker`: for administrators.
extension NativeSession {
    mutating func control(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let word = try reader.text("start, stop, restart, scale, pause, resume, kill or nice")
        let target = try workerTarget(&reader)
        let operation = try operation(word, &reader)
        try reader.end()
        ask(.control(operation, target), reader.tag, to: "\(word) workers")
    }

    mutating func reload(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let isDryRun = try reader.truth("dry-run") ?? false
        try reader.end()
        ask(.reload(isDryRun: isDryRun), reader.tag, to: "reload the configuration")
    }

    mutating func describeWorker(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let target = try workerTarget(&reader)
        try reader.end()
        ask(.show(target), reader.tag, to: "describe workers")
    }

    /// What a process of a worker asks for the sake of those that it has started; who else asks is refused by whoever
    /// runs the workers.
    mutating func askForChild(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let word = try reader.text("token or ended")
        let request: WorkerRequest.ChildRequest
        switch word {
        case "token": request = .token
        case "ended":
            let process = try reader.number("PROCESS", in: 1...Int64(Int32.max))
            let code = try reader.optionNumber("code", in: 0...255)
            let signal = try reader.option("signal")
            switch (code, signal) {
            case (let code?, nil): request = .ended(processID: Int32(process), .code(Int32(code)))
            case (nil, let signal?): request = .ended(processID: Int32(process), .signal(signal))
            default: throw RequestReader.Malformed("a process has ended with code=NUMBER or by signal=SIGNAL, say one")
            }
        default: throw RequestReader.Malformed("there is no child \(word), but token and ended")
        }
        try reader.end()
        self.request(.workers(.child(channel, request)), reader.tag)
    }

    /// - Parameter action: what is asked for, in words.
    mutating func ask(_ workers: WorkerRequest, _ tag: RequestID, to action: String) {
        guard identity?.isAdministrator == true else { return refuse(action, tag) }
        request(.workers(workers), tag)
    }

    private func operation(
        _ word: String, _ reader: inout RequestReader
    ) throws(RequestReader.Malformed) -> WorkerRequest.Operation {
        switch word {
        case "start": return .start
        case "stop": return .stop
        case "restart": return .restart
        case "scale": return .scale(try processes(&reader))
        case "pause": return .pause
        case "resume": return .resume
        case "kill": return .kill(signal: try reader.option("signal"))
        case "nice": return .nice(try niceness(&reader))
        default:
            throw RequestReader.Malformed(
                "there is no worker \(word), but start, stop, restart, scale, pause, resume, kill and nice")
        }
    }

    private func processes(_ reader: inout RequestReader) throws(RequestReader.Malformed) -> ClosedRange<Int> {
        let limits: ClosedRange<Int64> = 0...Int64(Int32.max)
        guard let least = try reader.optionNumber("min", in: limits) else {
            throw RequestReader.Malformed("worker scale needs the number of processes: worker scale NAME min=N [max=N]")
        }
        let most = try reader.optionNumber("max", in: limits) ?? least
        guard least <= most else { throw RequestReader.Malformed("min= must not be above max=") }
        return Int(least)...Int(most)
    }

    /// The one number of the protocol that may be negative.
    private func niceness(_ reader: inout RequestReader) throws(RequestReader.Malformed) -> Int {
        guard let text = try reader.option("value"), let value = Int(text), text.first != "+",
            (-20...19).contains(value)
        else { throw RequestReader.Malformed("worker nice needs a niceness from -20 to 19: worker nice NAME value=N") }
        return value
    }

    mutating func readOutput(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        var query = OutputQuery()
        if let text = try reader.nameIfThere("WORKER or WORKER/INSTANCE") { query.target = try workerTarget(text) }
        if let text = try reader.option("from") {
            guard let position = OutputPosition(text) else {
                throw RequestReader.Malformed("from= must be what an answer has said as next, such as 3-1200")
            }
            query.from = position
        }
        let counts = 0...Int64(OutputQuery.countMost)
        query.count = try reader.optionNumber("count", in: counts).map(Int.init) ?? query.count
        query.since = try reader.optionNumber("since", in: 0...Int64.max).map { Timestamp($0) }
        query.stream = try reader.choice("stream", of: ProgramStream.self)
        query.waitMilliseconds = try reader.optionNumber("wait", in: 0...OutputQuery.waitMillisecondsMost) ?? 0
        try reader.end()
        ask(.output(query), reader.tag, to: "read what workers write")
    }

    private func workerTarget(
        _ reader: inout RequestReader
    ) throws(RequestReader.Malformed) -> WorkerRequest.Target {
        try workerTarget(try reader.name("WORKER or WORKER/INSTANCE"))
    }

    private func workerTarget(_ text: String) throws(RequestReader.Malformed) -> WorkerRequest.Target {
        guard let target = WorkerRequest.Target(text) else {
            throw RequestReader.Malformed(
                "'\(text)' is neither the name of a worker nor WORKER/INSTANCE with the number of an instance")
        }
        return target
    }
}

extension WorkerRequest {
    /// What `list` knows besides ``Listing``.
    static let listings = ["workers", "processes"]

    init?(listing word: String) {
        switch word {
        case "workers": self = .list
        case "processes": self = .processes
        default: return nil
        }
    }
}
