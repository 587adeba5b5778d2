import ColaCore
import ColaServer
import ColaWorkers
import Foundation
import Testing

/// The files that what workers write is in.
@Suite struct OutputFilesTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "cola-output-\(UUID())").path
    private static let one = WorkerName("one")!
    private static let two = WorkerName("two")!

    private func files(bytesMax: Int = 1 << 20, filesMax: Int = 4, freeDiskMin: Int = 0) -> OutputFiles {
        OutputFiles(
            folder: folder + "/logs", rotation: OutputRotation(bytesMax: bytesMax, filesMax: filesMax),
            freeDiskMin: freeDiskMin)
    }

    private func within(_ body: () throws -> Void) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body()
    }

    private func lines(_ numbers: Range<Int64>, of worker: WorkerName = one, epoch: Int64 = 1) -> [OutputLine] {
        numbers.map { number in
            OutputLine(
                time: Timestamp(number * 1_000), epoch: Epoch(epoch), number: number,
                source: .init(worker: worker, instance: InstanceID(number % 2 == 0 ? 2 : 1)),
                stream: number % 3 == 0 ? .err : .out, content: .text("line \(number)", isCut: false))
        }
    }

    private func numbers(
        _ files: OutputFiles, _ count: Int, of workers: [WorkerName] = [one], _ query: OutputQuery = OutputQuery(),
        before: OutputLine? = nil
    ) -> [Int64] {
        files.last(count, of: workers, query) { _ in before }.map(\.number)
    }

    @Test func theLastLinesAreFoundInTheirOrder() throws {
        try within {
            let files = files()
            #expect(numbers(files, 10) == [])
            for start in stride(from: 0, to: 100, by: 10) {
                let (lost, failure) = files.write(lines(Int64(start)..<Int64(start + 10)))
                #expect(lost.isEmpty && failure == nil)
            }
            #expect(numbers(files, 3) == [97, 98, 99])
            #expect(numbers(files, 1_000) == Array(0..<100))
            let query = OutputQuery(target: .init(worker: "one", instance: 2), stream: .err)
            #expect(numbers(files, 3, query) == [84, 90, 96])
            #expect(numbers(files, 9, OutputQuery(since: Timestamp(98_000))) == [98, 99])
            #expect(numbers(files, 2, before: lines(50..<51)[0]) == [48, 49])
            // Those of an earlier life of the server come before all of this one.
            #expect(numbers(files, 2, before: lines(0..<1, epoch: 2)[0]) == [98, 99])
        }
    }

    @Test func linesOfSeveralWorkersAreFoundTogether() throws {
        try within {
            let files = files()
            _ = files.write(lines(0..<5) + lines(5..<8, of: Self.two) + lines(8..<10))
            #expect(numbers(files, 4, of: [Self.one, Self.two]) == [6, 7, 8, 9])
            #expect(numbers(files, 4, of: [Self.two]) == [5, 6, 7])
        }
    }

    @Test func theyKeepToTheirSizeAndNumberAndForgetTheOldestFirst() throws {
        try within {
            let files = files(bytesMax: 3_000, filesMax: 3)
            for number: Int64 in 0..<200 { _ = files.write(lines(number..<(number + 1))) }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/logs").sorted()
            #expect(names == ["one.log", "one.log.1", "one.log.2"])
            let kept = numbers(files, 1_000)
            #expect(kept == Array((200 - Int64(kept.count))..<200) && (10..<40).contains(kept.count))
            // All at once is the same.
            _ = files.write(lines(200..<400))
            #expect(numbers(files, 1_000).last == 399)
            for name in names {
                let size = try FileManager.default.attributesOfItem(atPath: folder + "/logs/" + name)[.size] as? Int
                #expect(try #require(size) <= 1_000)
            }
            // With fewer files those that are too many go.
            let fewer = self.files(bytesMax: 1_000, filesMax: 1)
            _ = fewer.write(lines(400..<401))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/logs") == ["one.log"])
            #expect(numbers(fewer, 9) == [400])
        }
    }

    @Test func whatIsNoLineOfOursIsPassedOver() throws {
        try within {
            let files = files()
            _ = files.write(lines(0..<2))
            let path = folder + "/logs/one.log"
            let handle = try #require(FileHandle(forWritingAtPath: path))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("\n{}\n\u{0}garbage {\"time\":\n{\"time\":\"half".utf8))
            try handle.close()
            _ = files.write(lines(2..<4))
            #expect(numbers(files, 9) == [0, 1, 2, 3])
        }
    }

    @Test func aFileThatCannotBeWrittenSaysWhyAndCountsItsLines() throws {
        try within {
            _ = FileManager.default.createFile(atPath: folder + "/logs", contents: nil)
            let (lost, failure) = files().write(lines(0..<3) + lines(3..<5, of: Self.two))
            #expect(lost == [Self.one: 3, Self.two: 2])
            #expect(failure?.reason == "Not a directory")
        }
        try within {
            let (lost, failure) = files(freeDiskMin: .max).write(lines(0..<3))
            #expect(lost == [Self.one: 3])
            #expect(failure?.reason.hasSuffix("less than disk-free-min allows (\(Int.max))") == true)
            #expect(!FileManager.default.fileExists(atPath: folder + "/logs"))
        }
    }

    @Test func aLinkIsNotFollowed() throws {
        try within {
            try FileManager.default.createDirectory(atPath: folder + "/logs", withIntermediateDirectories: true)
            _ = FileManager.default.createFile(atPath: folder + "/other", contents: nil)
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/logs/one.log", withDestinationPath: folder + "/other")
            #expect(files().write(lines(0..<1)).lost == [Self.one: 1])
            #expect(try Data(contentsOf: URL(filePath: folder + "/other")).isEmpty)
        }
    }
}
