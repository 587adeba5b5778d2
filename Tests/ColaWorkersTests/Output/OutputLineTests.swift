import ColaCore
import ColaTesting
import ColaWorkers
import Testing

/// Lines with all that is known of them, as JSON and in memory.
struct OutputLineTests {
    private static let resize = WorkerName("resize")!

    private static func line(
        _ text: String = "done", number: Int64 = 0, instance: UInt64 = 7, isCut: Bool = false,
        message: OutputLine.Message? = nil, process: Int32? = 4711, stream: ProgramStream = .out, time: Int64 = 0
    ) -> OutputLine {
        OutputLine(
            time: Timestamp(time), epoch: Epoch(3), number: number,
            source: .init(worker: resize, instance: InstanceID(instance), process: process, message: message),
            stream: stream, content: .text(text, isCut: isCut))
    }

    private func json(_ line: OutputLine) -> String {
        var bytes: [UInt8] = []
        line.append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func itIsALineOfJSON() {
        let message = OutputLine.Message(queue: "a \"b\"", offset: Offset(12), attempt: 2)
        let line = Self.line(
            "\u{1b}[1m\\é\t", number: 9, isCut: true, message: message, stream: .err, time: 1_795_360_000_123)
        #expect(
            json(line) == #"{"time":"2026-11-22T15:06:40.123Z","epoch":3,"number":9,"worker":"resize","instance":7,"#
                + #""pid":4711,"stream":"err","queue":"a \"b\"","offset":12,"attempt":2,"cut":true,"#
                + #""line":"\u001b[1m\\é\u0009"}"# + "\n")
        let dropped = OutputLine(
            time: Timestamp(0), epoch: Epoch(3), number: 1,
            source: .init(worker: Self.resize, instance: InstanceID(7)), stream: .out, content: .dropped(120))
        #expect(
            json(dropped) == #"{"time":"1970-01-01T00:00:00.000Z","epoch":3,"number":1,"worker":"resize","instance":7,"#
                + #""stream":"out","dropped":120}"# + "\n")
    }

    @Test func whatWasWrittenIsReadAndNothingElseIs() {
        let message = OutputLine.Message(queue: "q\n", offset: Offset(.max), attempt: 1)
        let lines = [
            Self.line(""), Self.line("x", message: message, process: nil), Self.line("\u{0}\"\\\u{7f}é", isCut: true),
            OutputLine(
                time: Timestamp(5), epoch: Epoch(1), number: .max,
                source: .init(worker: Self.resize, instance: InstanceID(1), process: 1, message: message),
                stream: .err, content: .dropped(1)),
        ]
        for line in lines {
            let bytes = Array(json(line).utf8.dropLast())
            #expect(OutputLine(json: bytes) == line)
            for count in bytes.indices { #expect(OutputLine(json: bytes[..<count]) == nil) }
            #expect(OutputLine(json: bytes + [0x20]) == nil)
            for index in bytes.indices {
                for value: UInt8 in [0, 0x22, 0x30, 0x5c, 0x7d, 0xff] {
                    var changed = bytes
                    changed[index] = value
                    // It may be another line now, but it is never more than its bytes say.
                    if let other = OutputLine(json: changed) { #expect(other.cost <= line.cost + bytes.count) }
                }
            }
        }
    }

    @Test func timesAreReadAsTheyAreWritten() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2_000 {
            let time = Timestamp(Int64.random(in: -62_167_219_200_000...253_402_300_799_999, using: &random))
            #expect(UTCText.time(UTCText.of(time).utf8) == time)
        }
        #expect(UTCText.of(Timestamp(951_782_400_000)) == "2000-02-29T00:00:00.000Z")
        #expect(UTCText.time("2000-03-01T00:00:00.000Z".utf8) == Timestamp(951_868_800_000))
        #expect(UTCText.of(Timestamp(-1)) == "1969-12-31T23:59:59.999Z")
        for text in [
            "", "2000-03-01", "2000-13-01T00:00:00.000Z", "2000-03-01T24:00:00.000Z", "2000-03-01T00:00:00.00aZ",
        ] {
            #expect(UTCText.time(text.utf8) == nil)
        }
    }

    @Test func aQueryTakesWhatItAsksFor() {
        let line = Self.line(stream: .err, time: 1_000)
        #expect(line.isOf(OutputQuery()))
        #expect(
            line.isOf(OutputQuery(target: .init(worker: "resize", instance: 7), since: Timestamp(1_000), stream: .err)))
        #expect(!line.isOf(OutputQuery(target: .init(worker: "resize", instance: 8))))
        #expect(!line.isOf(OutputQuery(since: Timestamp(1_001))))
        #expect(!line.isOf(OutputQuery(stream: .out)))
    }

    @Test func aRingKeepsTheLastLinesThatHaveRoom() {
        let cost = Self.line("12345678").cost
        var ring = OutputRing(bytesMax: 3 * cost)
        for number in 0..<10 { ring.append(Self.line("12345678", number: Int64(number))) }
        #expect(ring.lines.map(\.number) == [7, 8, 9] && ring.gone == 7 && ring.count == 10)
        ring.append(Self.line(String(repeating: "x", count: 4_096), number: 10))
        #expect(ring.lines.map(\.number) == [10] && ring.gone == 10)
    }

    @Test func aBudgetIsABurstAndThenSoMuchInASecond() {
        let start = Instant(0)
        var budget = OutputBudget(bytesPerSecond: 10_000, burstBytes: 50_000, at: start)
        var taken = 0
        while budget.isOpen {
            budget.take(bytes: 372)
            taken += 1
        }
        #expect(taken == 100)
        budget.refill(at: start.advanced(byMilliseconds: 50))
        #expect(!budget.isOpen)
        budget.refill(at: start.advanced(byMilliseconds: 200))
        #expect(budget.isOpen)
        taken = 0
        while budget.isOpen {
            budget.take(bytes: 372)
            taken += 1
        }
        #expect(taken == 4)
        // Time that went by while nothing was written counts up to the burst.
        budget.refill(at: start.advanced(byMilliseconds: 3_600_000))
        taken = 0
        while budget.isOpen {
            budget.take(bytes: 372)
            taken += 1
        }
        #expect(taken == 100)
    }

    @Test func filesGoAsideWhenTheyAreFull() {
        let rotation = OutputRotation(bytesMax: 4_000, filesMax: 4)
        #expect(rotation.fileBytesMax == 1_000)
        #expect(!rotation.isFull(900, before: 100) && rotation.isFull(901, before: 100))
        #expect(!rotation.isFull(0, before: 5_000))
        let renames = rotation.renames(of: Self.resize)
        #expect(renames.map(\.from) == ["resize.log.2", "resize.log.1", "resize.log"])
        #expect(renames.map(\.to) == ["resize.log.3", "resize.log.2", "resize.log.1"])
        #expect(OutputRotation(bytesMax: 10, filesMax: 1).renames(of: Self.resize).isEmpty)
    }

    @Test func positionsAreReadAsTheyAreWritten() {
        let position = OutputPosition(epoch: Epoch(3), count: 1_200)
        #expect(position.description == "3-1200" && OutputPosition("3-1200") == position)
        for text in ["", "3", "3-", "-3", "3--1", "3-+1", "3-1-1", "3-1 ", "99999999999999999999-1"] {
            #expect(OutputPosition(text) == nil)
        }
    }
}
