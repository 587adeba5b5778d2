import Testing

@testable import ColaStore

@Suite(.timeLimit(.minutes(5)))
struct StorageLoopTests {
    @Test func itLeavesASoundDirectoryOfBoundedSize() throws {
        let bench = try StoreBench(.sqlite)
        var loop = StorageLoop(directory: bench.folder, chunkBytes: 64 << 10, messageBytes: 1024, commits: 60)
        loop.keptBytes = 1 << 20
        loop.relaxedDurability = true
        let report = try loop.run()
        #expect(report.messages == 60 * 64)
        #expect(report.payloadBytes == 60 * 64 * 1024)
        #expect(report.p50Microseconds > 0 && report.p99Microseconds >= report.p50Microseconds)
        #expect(report.cpuSeconds > 0)
        let check = try StoreCheck(directory: bench.folder).run()
        #expect(check.isSound, "\(check.findings)")
        #expect(check.totals.chunks == 16)
        #expect(check.totals.ready == 16 * 64)
    }

    @Test func aBacklogOfSingleMessagesEndsInFewRows() throws {
        let bench = try StoreBench(.sqlite)
        var loop = BacklogLoop(directory: bench.folder, messageBytes: 16, messages: 400, window: 4)
        loop.pauseMilliseconds = 1500
        let report = try loop.run()
        #expect(report.messages == 400 && report.p50Microseconds > 0)
        #expect(report.rows < 50, "\(report)")
        #expect(report.fileBytes > 0 && report.restartSeconds > 0)
        let check = try StoreCheck(directory: bench.folder).run()
        #expect(check.isSound, "\(check.findings)")
        #expect(check.totals.ready == 400)
    }
}
