internal import ColaCore
internal import ColaWorkers

/// Lines for somebody who reads what workers write.
struct OutputAnswer {
    /// The oldest first.
    var lines: [OutputLine] = []
    /// Where to read on.
    var next: OutputPosition
    /// Lines that went before they could be read.
    var lost: Int64 = 0

    var description: Description {
        var answer = Description()
        answer.add("lines", .list(lines.map { .fields($0.row) }))
        answer.add("next", next.description)
        answer.add("lost", Int(lost))
        return answer
    }
}

extension OutputLine {
    /// With the members that it has in its file.
    var row: Description {
        var row = Description()
        row.add("time", UTCText.of(time))
        row.add("epoch", Int(epoch.rawValue))
        row.add("number", Int(number))
        row.add("worker", source.worker.description)
        row.add("instance", Int(clamping: source.instance.rawValue))
        if let process = source.process { row.add("pid", Int(process)) }
        row.add("stream", stream.rawValue)
        if let message = source.message {
            row.add("queue", message.queue)
            row.add("offset", Int(message.offset.rawValue))
            row.add("attempt", message.attempt)
        }
        switch content {
        case .dropped(let count): row.add("dropped", count)
        case .text(let text, let isCut):
            if isCut { row.add("cut", true) }
            row.add("line", text)
        }
        return row
    }
}
