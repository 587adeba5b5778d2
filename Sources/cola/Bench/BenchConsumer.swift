import ColaClient
import ColaNative
import Histogram
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One connection that takes messages from its queues, times them, and acknowledges them a range at a time.
struct BenchConsumer: ~Copyable {
    let plan: BenchPlan
    let progress: BenchProgress

    struct Outcome: Sendable {
        var consumed = 0
        var redelivered = 0
        var deliveryNanoseconds = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        /// When the first and the last message came.
        var first: Int64 = 0
        var last: Int64 = 0
    }

    private var socket: BenchSocket
    private var scanner = LineScanner()
    private var outcome = Outcome()
    private var unacknowledged: ClosedRange<Int64>?

    /// Connects; nothing is sent to it before ``run()``.
    init(_ plan: BenchPlan, progress: BenchProgress) throws {
        self.plan = plan
        self.progress = progress
        socket = try plan.connect()
    }

    /// Consumes until everything that is expected was consumed by all consumers together, and it is settled.
    consuming func run(queues: [String]) throws -> Outcome {
        for (index, queue) in queues.enumerated() {
            var consume = ClientRequest.Consume(name: queue, consumer: Int64(index + 1))
            consume.flow = .prefetch(plan.prefetch)
            ClientRequest.consume(consume).write(to: &socket.output)
        }
        var idleSince = monotonicNanoseconds()
        let pace = BenchPace(perSecond: plan.consumeRate.map { $0 / Double(plan.consumers) }, at: idleSince)
        while !progress.isConsumed, !progress.shouldStop {
            try socket.send()
            var now = monotonicNanoseconds()
            // What is left when all is published is taken as fast as it goes, so that the run ends.
            let limit = progress.isPublished ? Int.max : pace.allowance(taken: outcome.consumed, at: now)
            guard limit > 0 else {
                acknowledge()
                try socket.send()
                usleep(5_000)
                idleSince = now
                continue
            }
            let before = outcome.consumed
            let isMore = try socket.receive()
            now = monotonicNanoseconds()
            // With a limit some may be here from before.
            if isMore || plan.consumeRate != nil { try takeMessages(at: now, limit: limit) }
            if isMore || outcome.consumed > before {
                idleSince = now
            } else {
                // Nothing more is there: what is left of a batch need not wait for it to fill.
                acknowledge()
                try socket.send()
                socket.wait(nanoseconds: 50_000_000)
                if monotonicNanoseconds() - idleSince > 60_000_000_000, progress.confirmed > progress.consumed {
                    throw ColaError(
                        code: .timeout, message: "nothing was delivered for 60 s, though messages wait",
                        isRetryable: true)
                }
            }
        }
        acknowledge()
        try socket.ask(.ping)
        return outcome
    }

    private mutating func takeMessages(at now: Int64, limit: Int) throws {
        let bytes = socket.readable
        var position = 0
        let before = outcome.consumed
        while outcome.consumed - before < limit,
            case .found(let end, let next) = LineScanner.findLine(in: bytes, from: position, limit: 1 << 17)
        {
            if position == end {
                position = next
                continue
            }
            guard scanner.split(bytes, from: position, to: end) else { throw failure(bytes, position, next) }
            if scanner.field(0, is: "msg", in: bytes) {
                guard scanner.count >= 5, let delivery = scanner.number(2, in: bytes),
                    let size = scanner.number(4, in: bytes), size <= 1 << 30
                else { throw failure(bytes, position, next) }
                guard bytes.count - next > Int(size) else { break }
                if scanner.count > 5 {
                    for index in 5..<scanner.count where scanner.option(index, is: "r", in: bytes) {
                        outcome.redelivered += 1
                    }
                }
                take(delivery, UnsafeRawBufferPointer(rebasing: bytes[next..<next + Int(size)]), at: now)
                position = next + Int(size) + 1
            } else if scanner.field(0, is: "ok", in: bytes) || scanner.field(0, is: "beat", in: bytes) {
                position = next
            } else {
                throw failure(bytes, position, next)
            }
        }
        socket.take(position)
        guard outcome.consumed > before else { return }
        if before == 0 { outcome.first = now }
        outcome.last = now
        progress.addConsumed(outcome.consumed - before)
    }

    private mutating func take(_ delivery: Int64, _ body: UnsafeRawBufferPointer, at now: Int64) {
        outcome.consumed += 1
        if body.count >= 8 {
            let due = body.loadUnaligned(as: Int64.self)
            if due > 0, due <= now { outcome.deliveryNanoseconds.record(UInt64(now - due)) }
        }
        unacknowledged = (unacknowledged?.lowerBound ?? delivery)...delivery
        if let range = unacknowledged, range.upperBound - range.lowerBound + 1 >= Int64(plan.ackBatch) { acknowledge() }
    }

    private mutating func acknowledge() {
        guard let range = unacknowledged else { return }
        ClientRequest.writeAcknowledgement(.ack, range, to: &socket.output)
        socket.output.writeInteger(UInt8(ascii: "\n"))
        unacknowledged = nil
    }

    private func failure(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> ColaError {
        BenchSocket.error(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
    }
}
