internal import ColaCore
internal import ColaWorkers
internal import Logging
internal import NIOCore

// What the process says, and what its end says, as settlements.
extension StreamSeat {
    func receive(_ bytes: ByteBuffer, from process: StreamProcess) {
        guard process.defect == nil else { return }
        do throws(StreamDefect) {
            var problem: StreamDefect?
            bytes.withUnsafeReadableBytes { bytes in
                do throws(StreamDefect) {
                    try process.reader.receive(bytes) { line throws(StreamDefect) in try take(line, process) }
                } catch {
                    problem = error
                }
            }
            if let problem { throw problem }
        } catch {
            misbehaved(process, error)
        }
    }

    /// It writes no more. What it had begun to say counts if it is whole; if it is not, its end says more about it.
    func endReading(_ process: StreamProcess) {
        guard process.defect == nil else { return }
        do throws(StreamDefect) {
            try process.reader.end { line throws(StreamDefect) in try take(line, process) }
        } catch {
            host.logger.warning(
                "the last that a worker wrote is lost", metadata: ["instance": "\(name)", "reason": "\(error)"])
        }
    }

    private func take(_ line: StreamLine, _ process: StreamProcess) throws(StreamDefect) {
        switch line {
        case .ready: saysReady = true
        case .answer(let answer):
            try take(answer.verdict, answer.deliveries, process)
            for range in answer.more { try take(answer.verdict, range, process) }
        case .result: break  // The reader makes an answer of it.
        }
    }

    private func take(
        _ verdict: StreamAnswer.Verdict, _ range: ClosedRange<UInt64>, _ process: StreamProcess
    ) throws(StreamDefect) {
        let runs = process.holding.runs(of: range)
        guard !runs.isEmpty else {
            throw StreamDefect(
                range.lowerBound == range.upperBound
                    ? "it answered delivery \(range.lowerBound), which it does not hold, or has answered before"
                    : "it answered deliveries \(range.lowerBound) to \(range.upperBound), of which it holds none")
        }
        for run in runs {
            switch verdict {
            case .done: acknowledge(run, process)
            case .result(let bytes): publish(bytes, for: DeliveryTag(run.lowerBound), process)
            case .retry, .reject: refuse(run, verdict, process)
            }
        }
    }

    /// Neighbours become one request.
    private func acknowledge(_ run: ClosedRange<UInt64>, _ process: StreamProcess) {
        for number in run { process.holding.remove(DeliveryTag(number)) }
        settled += run.count
        if let last = acknowledged, last.upperBound + 1 == run.lowerBound {
            acknowledged = last.lowerBound...run.upperBound
        } else {
            flushAcknowledged()
            acknowledged = run
        }
    }

    private func flushAcknowledged() {
        guard let run = acknowledged else { return }
        acknowledged = nil
        settlements.append(
            .request(
                id, Question.settle,
                .settle(first: DeliveryTag(run.lowerBound), last: DeliveryTag(run.upperBound), .acknowledge)))
    }

    /// A moment later, when the lines that the process wrote to its standard error before are read as well: they are
    /// part of the story.
    private func refuse(_ run: ClosedRange<UInt64>, _ verdict: StreamAnswer.Verdict, _ process: StreamProcess) {
        if process.refusals.isEmpty {
            host.later(milliseconds: 0) { [weak self] in
                guard let self else { return }
                settleRefusals(of: process)
                submitSettlements(of: process)
                finishIfOver(process)
            }
        }
        for number in run {
            process.holding.answer(DeliveryTag(number))
            process.refusals.append((DeliveryTag(number), verdict))
        }
    }

    private func settleRefusals(of process: StreamProcess) {
        for refusal in process.refusals {
            switch refusal.verdict {
            case .retry(let milliseconds, let reason):
                let failures = process.holding[refusal.tag]?.failures ?? 0
                settle(
                    refusal.tag, retried(.refused, reason ?? "", failures, milliseconds, refusal.tag, process), process)
            case .reject(let reason):
                settle(
                    refusal.tag, .failed(attempt(.refused, reason ?? "", refusal.tag, process), .bury), process)
            case .done, .result: break
            }
        }
        process.refusals.removeAll(keepingCapacity: true)
    }

    private func settle(_ tag: DeliveryTag, _ settlement: Settlement, _ process: StreamProcess) {
        process.holding.remove(tag)
        settled += 1
        settlements.append(.request(id, Question.settle, .settle(first: tag, last: tag, settlement)))
    }

    /// All that one read has led to.
    func submitSettlements(of process: StreamProcess) {
        flushAcknowledged()
        if !settlements.isEmpty {
            var commands: [Command] = []
            swap(&commands, &settlements)
            submit(commands)
        }
        if saysReady {
            saysReady = false
            if process === self.process { host.isReady(instance) }
        }
        guard settled > 0 else { return }
        let count = settled
        settled = 0
        host.didSettle(definition.name, count)
        // Of a process that has ended the supervisor knows that it holds nothing.
        guard process === self.process else { return }
        host.settled(instance, count)
        grantMore()
        endIfDeaf(process)
    }

    // MARK: Results

    private func publish(_ result: [UInt8], for tag: DeliveryTag, _ process: StreamProcess) {
        let reply = process.holding[tag]?.reply
        guard let target = reply?.queue ?? definition.resultQueue else {
            if !process.hasWarned {
                process.hasWarned = true
                host.logger.warning(
                    "a worker's results are dropped: no result-queue, and no reply-to in its messages",
                    metadata: ["instance": "\(name)"])
            }
            return acknowledge(tag.rawValue...tag.rawValue, process)
        }
        guard result.count <= host.settings.bodyBytesMax else {
            let sentence =
                "its result has \(result.count) bytes; a message may have \(host.settings.bodyBytesMax) (body-max)"
            return settle(tag, .failed(attempt(.refused, sentence, tag, process), .bury), process)
        }
        var message = Message(value: result[...])
        if let correlation = reply?.correlationID {
            message.headers.append(name: BrokerHeader.correlationID.rawValue.utf8, value: correlation)
        }
        process.holding.answer(tag)
        settlements.append(
            .request(
                id, RequestID(Question.results + tag.rawValue), .publish(Publish(routingKey: target, message: message)))
        )
    }

    /// A result is in its queue, or was refused.
    func resultTaken(_ tag: DeliveryTag, of process: StreamProcess, _ error: BrokerError?) {
        guard let held = process.holding[tag] else { return }
        guard let error else { return acknowledge(tag.rawValue...tag.rawValue, process) }
        if held.reply?.queue != nil, case .unroutable = error {
            // Who asked has gone, and with it the queue for the answer: to do it again would help nobody.
            host.logger.debug(
                "nobody waits for an answer", metadata: ["instance": "\(name)", "reason": "\(error)"])
            return acknowledge(tag.rawValue...tag.rawValue, process)
        }
        let sentence = "its result was not taken: \(error.description)"
        settle(tag, retried(.refused, sentence, held.failures, nil, tag, process), process)
    }

    // MARK: Attempts that failed

    private func retried(
        _ end: Attempt.End, _ detail: String, _ failures: Int, _ milliseconds: Int64?, _ tag: DeliveryTag,
        _ process: StreamProcess
    ) -> Settlement {
        let random = UInt64.random(in: .min ... .max)
        let delay = milliseconds ?? definition.retry.delay(after: failures + 1, random: random) ?? 0
        return .failed(
            attempt(end, detail, tag, process),
            .retry(
                milliseconds: delay, attemptsMax: definition.retry.attempts,
                isDefault: milliseconds == nil && definition.ownRetry == nil))
    }

    private func attempt(_ end: Attempt.End, _ detail: String, _ tag: DeliveryTag, _ process: StreamProcess) -> Attempt
    {
        Attempt(
            began: process.holding[tag]?.began ?? host.now.wall, ended: host.now.wall, end: end,
            worker: "\(definition.name)", process: process.number, detail: detail, output: process.errors.text)
    }

    /// Of messages that the process never saw, or is not to blame for.
    func giveBack(_ range: ClosedRange<DeliveryTag>?, of process: StreamProcess, _ detail: String = "not read") {
        guard let range else { return }
        settleAll(range, .failed(attempt(.cancelled, detail, range.lowerBound, process), .giveBack), process)
    }

    private func settleAll(_ range: ClosedRange<DeliveryTag>, _ settlement: Settlement, _ process: StreamProcess) {
        for tag in process.holding.unanswered(in: range) {
            process.holding.remove(tag)
            settled += 1
        }
        settlements.append(
            .request(
                id, Question.settle, .settle(first: range.lowerBound, last: range.upperBound, settlement)))
    }

    /// The process is no more, all that it wrote is read, and its results are in their queues.
    ///
    /// What it never read goes back as if it had not been handed out. Of the rest any may be the reason for its end,
    /// and they are settled in one request, so that the broker sees whether there was only one.
    func settleLeftovers(of process: StreamProcess) {
        guard let ending = process.ending else { return }
        let (seen, unseen) = process.holding.leftovers(read: process.read)
        giveBack(unseen, of: process)
        if let seen {
            let detail = process.defect.map { "\($0); \(ending)" } ?? "\(ending)"
            if let end = blame(process, ending) {
                let attempt = attempt(end, detail, seen.lowerBound, process)
                settleAll(
                    seen,
                    .failed(
                        attempt, .suspect(attemptsMax: definition.retry.attempts, isDefault: definition.ownRetry == nil)
                    ), process)
            } else {
                giveBack(seen, of: process, detail)
            }
        }
        submitSettlements(of: process)
    }

    /// What the messages are told of the end of their process; nil: none of them is to blame.
    private func blame(_ process: StreamProcess, _ ending: Ending) -> Attempt.End? {
        switch ending {
        case .timedOut: .timedOut
        // It went by itself, and in order.
        case .exited(.code(0)) where process.defect == nil: nil
        case .exited(let status): host.end(of: instance, by: status)
        case .stopped(let status?, _) where process.defect != nil: host.end(of: instance, by: status)
        case .stopped, .startFailed, .keeperLost: nil
        }
    }
}
