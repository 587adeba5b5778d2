import ColaCompression
import ColaCore
import Foundation
import Testing

@testable import ColaStore

/// Chunks that hold batches of Kafka's clients as they came: they are read, merged and rewritten like others, and keep
/// what their headers say.
@Suite struct KafkaBatchTests {
    typealias Batches = KafkaBatches

    static let codecs: [CompressionCodec?] = [nil] + CompressionCodec.allCases

    /// A row that holds `data` and says of it what is true.
    private func row(_ data: [UInt8], settled: [Int] = []) throws -> ChunkRow {
        let headers = try RecordBatch.headers(in: data)
        let entries = RecordBatch.decode(data, inflating: .stored).segment.entries
        var set = SettledSet()
        for index in settled { set.insert(index) }
        let chunk = EncodedChunk(
            base: try #require(headers.first).baseOffset, last: try #require(headers.last).lastOffset,
            count: entries.count,
            bytes: entries.reduce(0) { $0 + $1.key.range.count + $1.value.range.count + $1.headers.range.count },
            minTimestamp: Timestamp(1),
            maxTimestamp: Timestamp(2), minExpire: nil, data: data)
        return ChunkRow(chunk: chunk, settled: set)
    }

    private func isSound(_ row: ChunkRow) -> Bool { row.decoded.damage.isEmpty }

    // MARK: Reading

    @Test(arguments: codecs)
    func whatClientsWriteIsRead(codec: CompressionCodec?) throws {
        let decoded = try row(Batches.written(by: codec, base: 40)).decoded
        #expect(decoded.damage.isEmpty && decoded.count == 6)
        let segment = decoded.segment
        #expect(segment.offsets == Array(40..<46))
        #expect(
            segment.entries.map { $0.timestamp.rawValue - 1_700_000_000_000 } == [0, 10, 20, 25, 40, 50])
        func text(_ part: RecordSegment.Part) -> String? {
            part.isNull ? nil : String(decoding: segment.data[part.range], as: UTF8.self)
        }
        #expect(segment.entries.map { text($0.key) } == [nil, "k1", nil, "k3", nil, "k5"])
        #expect(
            segment.entries.map { text($0.value) }
                == (0..<6).map { $0 == 4 ? nil : String(repeating: "value \($0) ", count: 8) })
        #expect(segment.entries.map(\.headerCount) == [0, 0, 2, 0, 0, 0])
        let headers = segment.data[segment.entries[2].headers.range].withUnsafeBytes { RecordHeaders.decode($0) }
        #expect(headers?.map { String(decoding: $0.name, as: UTF8.self) } == ["h", "n"])
        #expect(headers?.map(\.value) == [ArraySlice("x".utf8), nil])
    }

    @Test(arguments: codecs)
    func aBrokerTakesWhatClientsWrite(codec: CompressionCodec?) throws {
        let bytes = Batches.written(by: codec)
        let header = try RecordBatch.validateProduced(bytes, inflating: .stored)
        #expect(header.attributes.codec == codec && header.recordCount == 6)
        #expect(header.producerID == (codec == nil ? -1 : 1234))
        #expect(header.attributes.contains(.transactional) == (codec == .zstd))
        guard let codec else { return }
        // Records that are not as many as the batch says, under a checksum that fits.
        var more = bytes
        more[26] += 1
        more[60] += 1
        let refused = RecordBatch.ProducedBatchError.Code.invalidRecord
        #expect(throws: RecordBatch.ProducedBatchError.self) {
            try RecordBatch.validateProduced(Batches.sealed(more), inflating: .stored)
        }
        do { _ = try RecordBatch.validateProduced(Batches.sealed(more), inflating: .stored) } catch {
            #expect(error.code == refused && error.record == 6)
        }
        let noise = Batches.sealed(Array(bytes[..<61]) + codec.compress([1, 2, 3]).dropLast())
        do { _ = try RecordBatch.validateProduced(noise, inflating: .stored) } catch {
            #expect(error.code == .corruptMessage)
        }
        #expect(throws: RecordBatch.ProducedBatchError.self) {
            try RecordBatch.validateProduced(noise, inflating: .stored)
        }
    }

    @Test func theTimeOfTheBrokerIsThatOfAllRecords() throws {
        for codec in Self.codecs {
            var bytes = Batches.written(by: codec)
            var header = try RecordBatch.Header(reading: bytes)
            header.setLogAppendTime(Timestamp(77), in: &bytes)
            let decoded = try row(bytes).decoded
            #expect(decoded.damage.isEmpty)
            #expect(decoded.segment.entries.map(\.timestamp) == Array(repeating: Timestamp(77), count: 6))
        }
    }

    @Test func markersAndWhatCompactionLeavesAreNoMessages() throws {
        let data =
            Batches.empty(0...3) + Batches.made(4..<7, codec: .lz4) + Batches.marker(7) + Batches.made([8, 10, 15])
            + Batches.empty(16...20)
        let decoded = try row(data).decoded
        #expect(decoded.damage.isEmpty)
        #expect(decoded.segment.offsets == [4, 5, 6, 8, 10, 15])
        #expect(decoded.segment.isIntact(bodyBytes: 16))
        for data in [Batches.marker(3), Batches.marker(3) + Batches.marker(4), Batches.empty(5...5)] {
            let decoded = try row(data).decoded
            #expect(decoded.damage.isEmpty && decoded.segment.isEmpty && decoded.count == 0)
        }
    }

    /// The base is outside the checksum; without records nothing else says where they belong.
    @Test func aMarkerInTheWrongPlaceIsDamage() throws {
        var moved = try row(Batches.marker(3) + Batches.marker(4))
        Batches.put(Int64(5), at: 0, of: &moved.chunk.data)
        #expect(!moved.decoded.damage.isEmpty)
        var short = try row(Batches.made(0..<3) + Batches.marker(3))
        short.chunk.last = Offset(2)
        #expect(!short.decoded.damage.isEmpty)
        short.chunk.last = Offset(3)
        #expect(short.decoded.damage.isEmpty)
        short.chunk.count = 4
        #expect(!short.decoded.damage.isEmpty)
    }

    @Test func whatCannotBeDecompressedCostsItsOwnBatchAlone() throws {
        for codec in CompressionCodec.allCases {
            var bad = Batches.made(3..<6, codec: codec)
            bad.removeLast(3)
            let data = Batches.made(0..<3, codec: codec) + Batches.sealed(bad) + Batches.made(6..<9, codec: codec)
            let (segment, damage) = RecordBatch.decode(data, inflating: .stored)
            #expect(segment.offsets == [0, 1, 2, 6, 7, 8] && segment.isIntact(bodyBytes: 16))
            #expect(damage.map(\.reason) == [.badCompression])
            #expect(damage.first?.offsets == Offset(3)...Offset(5))
        }
        var unknown = Batches.made(0..<3)
        unknown[22] |= 5
        #expect(
            RecordBatch.decode(Batches.sealed(unknown), inflating: .stored).damage.map(\.reason) == [.compressed])
    }

    @Test(arguments: CompressionCodec.allCases)
    func aBombIsDamageAndNothingElse(codec: CompressionCodec) throws {
        var bomb = Array(Batches.made(3..<4)[..<61]) + codec.compress([UInt8](repeating: 0, count: 3 << 20))
        bomb[22] |= codec.rawValue
        let data = Batches.made(0..<3, codec: codec) + Batches.sealed(bomb) + Batches.made(4..<6, codec: codec)
        var inflater = BatchInflater.stored
        inflater.batchBytesMax = 1 << 20
        let (segment, damage) = RecordBatch.decode(data, inflating: inflater)
        #expect(segment.offsets == [0, 1, 2, 4, 5])
        #expect(damage.map(\.reason) == [.inflatesTooFar])
        #expect(segment.data.count < data.count + 1_000)
        // All batches together have a bound of their own.
        let records = RecordBatch.encode(.numbered(0..<3)).count - RecordBatch.headerBytes
        inflater.bytesMax = records
        let first = RecordBatch.decode(data, inflating: inflater)
        #expect(first.segment.offsets == [0, 1, 2])
        #expect(first.damage.map(\.reason) == [.inflatesTooFar, .inflatesTooFar])
    }

    // MARK: Merging

    @Test func mergedBatchesStayAsTheyAre() throws {
        let rows = try [
            row(RecordBatch.encode(.numbered(0..<3)), settled: [1]), row(Batches.made(3..<6, codec: .gzip)),
            row(Batches.marker(6)), row(Batches.empty(7...9)), row(Batches.made(10..<12, codec: .zstd), settled: [0]),
            row(Batches.marker(12)),
        ]
        let merged = try #require(ChunkRow.merged(rows, decoded: rows.map(\.decoded)))
        #expect(merged.chunk.data == rows.flatMap(\.chunk.data))
        #expect(merged.offsets == Offset(0)...Offset(12))
        #expect(merged.chunk.count == 8 && merged.chunk.bytes == 8 * 16)
        #expect(isSound(merged))
        #expect(merged.decoded.segment.offsets == [0, 1, 2, 3, 4, 5, 10, 11])
        #expect((0...12).filter { merged.settled.contains($0) } == [1, 10])
    }

    @Test func markersAloneAreMergedAndStay() throws {
        let rows = try [row(Batches.marker(6)), row(Batches.marker(7)), row(Batches.marker(9))]
        let merged = try #require(ChunkRow.merged(rows, decoded: rows.map(\.decoded)))
        #expect(merged.offsets == Offset(6)...Offset(9) && merged.chunk.count == 0)
        #expect(isSound(merged))
        #expect(!merged.isFinished(floor: Offset(9)))
        #expect(merged.isFinished(floor: Offset(10)))
        #expect(merged.live(floor: Offset(9)) == nil)
    }

    // MARK: Rewriting

    @Test(arguments: codecs)
    func aRewrittenBatchKeepsItsHeader(codec: CompressionCodec?) throws {
        var bytes = Batches.written(by: codec, base: 40)
        Batches.put(Int64(1234), at: 43, of: &bytes)
        bytes = Batches.sealed(bytes)
        let rows = try [row(Batches.made(30..<40, codec: codec)), row(bytes + Batches.marker(46, producer: 1234))]
        let all = RecordSegment(joining: rows.map(\.decoded.segment))
        let kept = RecordSegment(joining: [all]) { [35, 41, 42, 45].contains($0.offset.rawValue) }
        let (found, isWhole) = ChunkRow.rewritten(rows, Offset(33)...Offset(46), kept)
        let rewritten = try #require(found)
        #expect(isWhole && isSound(rewritten))
        #expect(rewritten.decoded.segment.offsets == [30, 31, 32, 35, 41, 42, 45])
        #expect(rewritten.chunk.count == 7)
        #expect(rewritten.offsets == Offset(30)...Offset(46))
        let headers = try RecordBatch.headers(in: rewritten.chunk.data)
        #expect(headers.map(\.producerID) == [9, 1234, 1234])
        #expect(headers.map(\.offsets) == [Offset(30)...Offset(39), Offset(40)...Offset(45), Offset(46)...Offset(46)])
        #expect(headers.map(\.recordCount) == [4, 3, 1])
        #expect(headers.allSatisfy { $0.verifyChecksum(in: rewritten.chunk.data) && !$0.attributes.isCompressed })
        #expect(headers[1].attributes.contains(.transactional) == (codec == .zstd))
        // What stayed is what it was.
        let before = all.entries.filter { rewritten.decoded.segment.offsets.contains($0.offset.rawValue) }
        let after = rewritten.decoded.segment
        for (one, other) in zip(before, after.entries) {
            #expect(one.timestamp == other.timestamp && one.headerCount == other.headerCount)
            for (part, copy) in [(one.key, other.key), (one.value, other.value), (one.headers, other.headers)] {
                #expect(part.isNull == copy.isNull && all.data[part.range] == after.data[copy.range])
            }
        }
    }

    @Test func aBatchOfWhichAllStaysIsNotTouched() throws {
        let data = Batches.made(0..<3, codec: .snappy) + Batches.marker(3)
        let row = try row(data)
        let (found, _) = ChunkRow.rewritten([row], Offset(0)...Offset(3), row.decoded.segment)
        #expect(found?.chunk.data == data)
        // And one of which nothing does is gone, but for its marker.
        let (rest, _) = ChunkRow.rewritten([row], Offset(0)...Offset(3), RecordSegment())
        #expect(rest?.chunk.data == Batches.marker(3))
        #expect(rest?.chunk.count == 0 && rest.map(isSound) == true)
    }

    @Test func whatIsSettledLeavesABatchOfAProducer() throws {
        let row = try row(Batches.made(0..<4, codec: .lz4) + Batches.made(4..<8, codec: .lz4), settled: [0, 1, 3, 5])
        let found = try #require(row.live(floor: Offset(1)))
        let live = try #require(found)
        let headers = try RecordBatch.headers(in: live.data)
        #expect(headers.map(\.recordCount) == [1, 3] && headers.allSatisfy { $0.producerID == 9 })
        let rewritten = ChunkRow(chunk: live, settled: SettledSet())
        #expect(isSound(rewritten))
        #expect(rewritten.decoded.segment.offsets == [2, 4, 6, 7])
        let none = try self.row(Batches.made(0..<2), settled: [0, 1])
        let left = try #require(none.live(floor: Offset(0)))
        #expect(left?.count == nil)
    }

    @Test func aDamagedRowIsRewrittenFromWhatCanBeRead() throws {
        var bad = try row(Batches.made(0..<3, codec: .gzip) + Batches.made(3..<6, codec: .gzip))
        bad.chunk.data[bad.chunk.data.count - 1] ^= 1
        let good = try row(Batches.made(6..<9, codec: .gzip))
        let kept = RecordSegment.numbered([4, 7])
        let (found, isWhole) = ChunkRow.rewritten([bad, good], Offset(2)...Offset(8), kept)
        let rewritten = try #require(found)
        #expect(!isWhole && isSound(rewritten))
        #expect(rewritten.decoded.segment.offsets == [0, 1, 4, 7])
        #expect(try RecordBatch.headers(in: rewritten.chunk.data).map(\.producerID) == [-1, 9])
    }

    // MARK: The file

    /// Rows of all kinds in a database, merged, and held against what they say of themselves.
    @Test func theOfflineCheckFindsThemSound() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        let datas = [
            Batches.made(0..<4, codec: .gzip), Batches.marker(4), Batches.empty(5...7),
            Batches.written(by: .zstd, base: 8),
        ]
        try open.commit(.appending(0..<14, number: 2))
        try open.store.close()
        try bench.connection().execute("DELETE FROM chunk")
        for data in datas {
            let chunk = try row(data).chunk
            let insert = try bench.connection().prepare(
                """
                INSERT INTO chunk (log, base, last, count, bytes, min_ts, max_ts, epoch, data)
                VALUES (1, ?1, ?2, ?3, ?4, 1, 2, 1, ?5)
                """)
            try chunk.data.withUnsafeBytes {
                insert.bind(5, staticBlob: $0)
                try insert.run(
                    chunk.base.rawValue, chunk.last.rawValue, Int64(chunk.count), Int64(chunk.bytes))
            }
        }
        for rows in [[0, 4, 5, 8], [0]] as [[Int64]] {
            #expect(try bench.rows(LogID(1)) == rows)
            let report = try StoreCheck(directory: bench.folder).run()
            #expect(!report.findings.contains { $0.sentence.contains("chunk at offset") }, "\(report.findings)")
            #expect(report.totals.records == 10)
            try bench.merge(LogID(1), Offset(0)...Offset(13))
        }
    }
}
