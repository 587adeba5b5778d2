import ColaClient
import ColaNative
import Histogram
import NIOCore

/// One connection that publishes as fast as its window or its rate lets it, and times every confirm.
///
/// The first eight bytes of a body say when it was due, in nanoseconds of the monotonic clock, so that a consumer can
/// time it. With a rate a message counts from when it was due, not from when this thread got round to it: a stall of
/// the broker then shows in every message that it held up.
struct BenchProducer: ~Copyable {
    let plan: BenchPlan
    let number: Int
    let progress: BenchProgress

    struct Outcome: Sendable {
        var confirmed = 0
        var confirmNanoseconds = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        var started: Int64 = 0
        /// When the last confirm came.
        var ended: Int64 = 0
    }

    private var socket: BenchSocket
    private var scanner = LineScanner()
    private var outcome = Outcome()
    /// When the message of a tag was due, at the tag's place modulo the size, which is a power of two.
    private var due: [Int64]
    private var sent = 0

    init(_ plan: BenchPlan, number: Int, progress: BenchProgress) throws {
        self.plan = plan
        self.number = number
        self.progress = progress
        socket = try plan.connect()
        var places = 1
        while places < plan.window { places *= 2 }
        due = Array(repeating: 0, count: places)
    }

    consuming func run() throws -> Outcome {
        let templates = plan.queues.map { PublishTemplate(routingKey: $0) }
        var body = [UInt8](repeating: UInt8(ascii: "."), count: plan.bodyBytes)
        let share = plan.share(of: number)
        let interval = plan.rate.map { 1e9 * Double(plan.producers) / $0 }
        outcome.started = monotonicNanoseconds()
        // Producers with a rate take turns, so that their messages do not come in bursts.
        let first = Double(outcome.started) + (interval ?? 0) * Double(number) / Double(plan.producers)
        let deadline = plan.count == nil ? outcome.started + Int64(plan.seconds * 1e9) : .max
        var queue = number % templates.count
        var isDone = share == 0

        while !(isDone && outcome.confirmed == sent), !progress.shouldStop {
            var now = monotonicNanoseconds()
            if now >= deadline { isDone = true }
            var next = Int64.max
            while !isDone, sent - outcome.confirmed < plan.window, socket.output.readableBytes < 65_536 {
                var stamp = now
                if let interval {
                    stamp = Int64(first + interval * Double(sent))
                    if stamp > now {
                        next = stamp
                        break
                    }
                }
                due[sent & (due.count - 1)] = stamp
                if body.count >= 8 { body.withUnsafeMutableBytes { $0.storeBytes(of: stamp, as: Int64.self) } }
                body.withUnsafeBytes { templates[queue].write(body: $0, tag: Int64(sent), to: &socket.output) }
                queue = queue + 1 == templates.count ? 0 : queue + 1
                sent += 1
                isDone = sent == share
            }
            try socket.send()
            if try socket.receive() {
                now = monotonicNanoseconds()
                try takeAnswers(at: now)
            } else if isDone && outcome.confirmed == sent {
                break
            } else if sent - outcome.confirmed >= plan.window || isDone || next != .max
                || socket.output.readableBytes > 0
            {
                socket.wait(nanoseconds: min(next == .max ? 50_000_000 : next - monotonicNanoseconds(), 50_000_000))
            }
        }
        return outcome
    }

    private mutating func takeAnswers(at now: Int64) throws {
        let bytes = socket.readable
        var position = 0
        let before = outcome.confirmed
        while case .found(let end, let next) = LineScanner.findLine(in: bytes, from: position, limit: 1 << 16) {
            let start = position
            position = next
            if start == end { continue }
            guard scanner.split(bytes, from: start, to: end), scanner.field(0, is: "ok", in: bytes), scanner.count == 2,
                let tags = Decimal.parseRange(scanner.value(1, in: bytes)),
                tags.lowerBound == Int64(outcome.confirmed), tags.upperBound < Int64(sent)
            else { throw BenchSocket.error(UnsafeRawBufferPointer(rebasing: bytes[start..<next])) }
            for tag in Int(tags.lowerBound)...Int(tags.upperBound) {
                outcome.confirmNanoseconds.record(UInt64(max(0, now - due[tag & (due.count - 1)])))
            }
            outcome.confirmed = Int(tags.upperBound) + 1
        }
        socket.take(position)
        if outcome.confirmed > before { outcome.ended = now }
        progress.addConfirmed(outcome.confirmed - before)
    }
}
