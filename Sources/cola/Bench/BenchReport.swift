import Histogram

/// What a load measured, as lines for people or one line of JSON.
struct BenchReport {
    let plan: BenchPlan
    var published = 0
    var publishSeconds = 0.0
    var consumed = 0
    var consumeSeconds = 0.0
    var redelivered = 0
    var confirm = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    var delivery = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    var clientCPUSeconds = 0.0
    /// Nil where the broker is not a process of this machine.
    var brokerCPUSeconds: Double?
    var brokerResidentBytesMax: Int?
    /// The most that was no file's, as seen now and then.
    var brokerAnonymousBytesMax: Int?
    /// What the broker had written, log and checkpoints included.
    var brokerWrittenBytes: Int?
    /// Records that were settled before they had to be written; nil where the broker does not count them.
    var elided: Int?
    /// The most messages that were confirmed and not consumed.
    var backlogMax = 0

    /// What costs are shared out over: each message once, however far it went.
    private var messages: Int { max(published, consumed) }

    var text: String {
        var lines: [String] = []
        if plan.producers > 0 { lines.append("published  \(rate(published, publishSeconds))") }
        if plan.consumers > 0 { lines.append("consumed   \(rate(consumed, consumeSeconds))") }
        if redelivered > 0 { lines.append("           \(redelivered) of them redelivered") }
        if plan.consumers > 0, plan.producers > 0 { lines.append("backlog    \(backlogMax) messages at most") }
        if confirm.totalCount > 0 { lines.append("confirm    \(percentiles(confirm))") }
        if delivery.totalCount > 0 { lines.append("delivery   \(percentiles(delivery))") }
        if let cpu = brokerCPUSeconds {
            lines.append(
                "broker     \(decimal(perMessage(cpu), 2)) µs CPU a message, "
                    + "\(megabytes(brokerResidentBytesMax)) MiB resident at most, "
                    + "\(megabytes(brokerAnonymousBytesMax)) of it its own")
        }
        if let written = brokerWrittenBytes {
            lines.append("disk       \(decimal(Double(written) / Double(max(1, messages)), 0)) bytes written a message")
        }
        if let elided { lines.append("elided     \(elided) records were settled before they had to be written") }
        lines.append("client     \(decimal(perMessage(clientCPUSeconds), 2)) µs CPU a message")
        return lines.joined(separator: "\n")
    }

    /// Members may be added, never renamed. Times in milliseconds, CPU in microseconds a message.
    var json: String {
        var members = [
            "\"producers\":\(plan.producers)", "\"consumers\":\(plan.consumers)", "\"queues\":\(plan.queues.count)",
            "\"size\":\(plan.bodyBytes)", "\"window\":\(plan.window)", "\"prefetch\":\(plan.prefetch)",
            "\"ack_batch\":\(plan.ackBatch)", "\"rate\":\(plan.rate.map { decimal($0, 1) } ?? "null")",
            "\"published\":\(published)", "\"publish_seconds\":\(decimal(publishSeconds, 4))",
            "\"publish_per_second\":\(perSecond(published, publishSeconds))",
            "\"consumed\":\(consumed)", "\"consume_seconds\":\(decimal(consumeSeconds, 4))",
            "\"consume_per_second\":\(perSecond(consumed, consumeSeconds))", "\"redelivered\":\(redelivered)",
            "\"consume_rate\":\(plan.consumeRate.map { decimal($0, 1) } ?? "null")",
        ]
        members.append("\"confirm_ms\":\(percentilesJSON(confirm))")
        members.append("\"delivery_ms\":\(percentilesJSON(delivery))")
        members.append("\"broker_cpu_us\":\(brokerCPUSeconds.map { decimal(perMessage($0), 3) } ?? "null")")
        members.append("\"broker_rss_max\":\(brokerResidentBytesMax.map(String.init) ?? "null")")
        members.append("\"broker_anon_max\":\(Self.number(brokerAnonymousBytesMax))")
        members.append("\"broker_written_bytes\":\(Self.number(brokerWrittenBytes))")
        members.append("\"elided\":\(Self.number(elided)),\"backlog_max\":\(backlogMax)")
        members.append("\"client_cpu_us\":\(decimal(perMessage(clientCPUSeconds), 3))")
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func number(_ value: Int?) -> String { value.map { "\($0)" } ?? "null" }

    private func megabytes(_ bytes: Int?) -> String { decimal(Double(bytes ?? 0) / 1_048_576, 1) }

    private func perMessage(_ seconds: Double) -> Double { seconds * 1e6 / Double(max(1, messages)) }

    private func perSecond(_ count: Int, _ seconds: Double) -> Int { seconds > 0 ? Int(Double(count) / seconds) : 0 }

    private func rate(_ count: Int, _ seconds: Double) -> String {
        "\(perSecond(count, seconds)) msg/s (\(count) in \(decimal(seconds, 2)) s)"
    }

    private static let parts: [(name: String, percent: Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9),
    ]

    private func percentiles(_ histogram: Histogram<UInt64>) -> String {
        let parts = Self.parts.map { "\($0.name) \(milliseconds(histogram.valueAtPercentile($0.percent)))" }
        return (parts + ["max \(milliseconds(histogram.max)) ms"]).joined(separator: "  ")
    }

    private func percentilesJSON(_ histogram: Histogram<UInt64>) -> String {
        guard histogram.totalCount > 0 else { return "null" }
        let parts = Self.parts.map { "\"\($0.name)\":\(milliseconds(histogram.valueAtPercentile($0.percent)))" }
        return "{" + (parts + ["\"max\":\(milliseconds(histogram.max))"]).joined(separator: ",") + "}"
    }

    private func milliseconds(_ nanoseconds: UInt64) -> String { decimal(Double(nanoseconds) / 1e6, 3) }
}

/// A number that is not negative with so many digits after the point, without Foundation.
func decimal(_ number: Double, _ digits: Int) -> String {
    var power = 1
    for _ in 0..<digits { power *= 10 }
    guard number.isFinite, number >= 0, number < 1e15 / Double(power) else { return "0" }
    let scaled = Int((number * Double(power)).rounded())
    guard digits > 0 else { return "\(scaled)" }
    let fraction = String(scaled % power)
    return "\(scaled / power)." + String(repeating: "0", count: digits - fraction.count) + fraction
}
