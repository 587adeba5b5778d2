internal import ColaCore

// `worker`, `reload`, `list workers`, `list processes` and `describe worker`: for administrators.
extension NativeSession {
    mutating func control(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let word = try reader.text("start, stop, restart, scale, pause, resume or kill")
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
        default:
            throw RequestReader.Malformed(
                "there is no worker \(word), but start, stop, restart, scale, pause, resume and kill")
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

    private func workerTarget(
        _ reader: inout RequestReader
    ) throws(RequestReader.Malformed) -> WorkerRequest.Target {
        let text = try reader.name("WORKER or WORKER/INSTANCE")
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
