import ColaCore
import ColaTesting
import Testing

/// What a broker takes from a producer, and what it answers to the rest.
@Suite struct ProducedBatchTests {
    typealias Code = RecordBatch.ProducedBatchError.Code

    /// Three records at the offsets 0, 1 and 2, of a producer.
    static let good: [UInt8] = {
        var segment = RecordSegment()
        segment.append(RecordSamples.message("hello"), at: Offset(0), timestamp: Timestamp(1_000))
        segment.append(
            RecordSamples.message(key: "k", "world", headers: [("lang", "en"), ("", nil)]), at: Offset(1),
            timestamp: Timestamp(1_500))
        segment.append(RecordSamples.message(key: "", ""), at: Offset(2), timestamp: Timestamp(900))
        var bytes = RecordBatch.encode(segment)
        bytes.replaceSubrange(43..<57, with: [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 9])
        return RecordBatchDamageTests.sealed(bytes)
    }()

    /// The first record's bytes: its length, attributes, time, offset, and the lengths of its key and value.
    static let first = 61

    private func refusal(
        latest: Timestamp = Timestamp(.max), _ change: (inout [UInt8]) -> Void
    ) -> RecordBatch.ProducedBatchError? {
        var bytes = Self.good
        change(&bytes)
        return error(RecordBatchDamageTests.sealed(bytes), latest)
    }

    private func error(
        _ bytes: [UInt8], _ latest: Timestamp = Timestamp(.max)
    ) -> RecordBatch.ProducedBatchError? {
        do throws(RecordBatch.ProducedBatchError) {
            _ = try RecordBatch.validateProduced(bytes, latest: latest)
            return nil
        } catch {
            return error
        }
    }

    @Test func whatAProducerSendsIsTaken() throws {
        let header = try RecordBatch.validateProduced(Self.good)
        #expect(header.range == 0..<Self.good.count)
        #expect(header.recordCount == 3 && header.lastOffsetDelta == 2)
        #expect(header.producerID == 5 && header.producerEpoch == 0 && header.baseSequence == 9)
        #expect(header.lastSequence == 11)
        #expect(header.maxTimestamp == Timestamp(1_500))
        #expect(RecordBatch.decode(Self.good).damage.isEmpty)
    }

    /// Producers write what they like there.
    @Test func theOffsetOfTheProducerMeansNothing() throws {
        for byte: UInt8 in [0x7f, 0x80, 0xff] {
            var bytes = Self.good
            bytes.replaceSubrange(0..<8, with: Array(repeating: byte, count: 8))
            var header = try RecordBatch.validateProduced(bytes)
            #expect(header.baseOffset == Offset(0))
            header.assignOffsets(base: Offset(77), leaderEpoch: 3, in: &bytes)
            #expect(try RecordBatch.Header(reading: bytes) == header)
            #expect(header.offsets == Offset(77)...Offset(79))
        }
    }

    @Test func aCompressedBatchIsTakenByItsHeader() throws {
        for codec in CompressionCodec.allCases {
            var bytes = Self.good
            bytes[22] |= codec.rawValue
            bytes.replaceSubrange(61..., with: [1, 2, 3])
            let header = try RecordBatch.validateProduced(RecordBatchDamageTests.sealed(bytes))
            #expect(header.attributes.codec == codec)
        }
    }

    @Test func whatIsNotOneWholeBatchIsRefused() {
        #expect(error([])?.code == .invalidRecord)
        for count in 1..<Self.good.count { #expect(error(Array(Self.good[..<count]))?.code == .corruptMessage) }
        #expect(error(Self.good + [0])?.code == .invalidRecord)
        #expect(error(Self.good + Self.good)?.code == .invalidRecord)
        for magic: UInt8 in [0, 1, 3] { #expect(refusal { $0[16] = magic }?.code == .invalidRecord) }
        for index in 17..<Self.good.count {
            var bytes = Self.good
            bytes[index] ^= 0x20
            #expect(error(bytes)?.code == .corruptMessage, "byte \(index)")
        }
    }

    @Test func aHeaderThatNoProducerWritesIsRefused() {
        let wrong: [(what: String, code: Code, change: (inout [UInt8]) -> Void)] = [
            ("codec 5", .unsupportedCompressionType, { $0[22] |= 5 }),
            ("codec 7", .unsupportedCompressionType, { $0[22] |= 7 }),
            ("a control batch", .invalidRecord, { $0[22] |= 0x20 }),
            ("a compressed control batch", .invalidRecord, { $0[22] |= 0x21 }),
            ("the time of a broker", .invalidTimestamp, { $0[22] |= 0x08 }),
            ("no record", .invalidRecord, { $0[60] = 0 }),
            ("a negative number of records", .invalidRecord, { $0[57] = 0x80 }),
            ("fewer records than offsets", .invalidRecord, { $0[60] = 2 }),
            ("more records than offsets", .invalidRecord, { $0[60] = 4 }),
            ("a negative last offset", .invalidRecord, { $0[23] = 0x80 }),
            ("no sequence", .invalidRecord, { $0[53] = 0xff }),
            ("no epoch", .invalidRecord, { $0[51] = 0xff }),
            (
                "a transaction of nobody", .invalidRecord,
                {
                    $0[22] |= 0x10
                    $0[43] = 0xff
                }
            ),
            ("a first time below none", .invalidTimestamp, { $0[27] = 0x80 }),
            ("a greatest time below none", .invalidTimestamp, { $0[35] = 0x80 }),
            // The records are as many as the header says; it is the sum of the two that does not fit.
            (
                "as many records as there are numbers", .invalidRecord,
                {
                    $0.replaceSubrange(23..<27, with: [0x7f, 0xff, 0xff, 0xfe])
                    $0.replaceSubrange(57..<61, with: [0x7f, 0xff, 0xff, 0xff])
                }
            ),
            (
                "the least number of records", .invalidRecord,
                {
                    $0.replaceSubrange(23..<27, with: [0x7f, 0xff, 0xff, 0xff])
                    $0.replaceSubrange(57..<61, with: [0x80, 0, 0, 0])
                }
            ),
        ]
        for case_ in wrong { #expect(refusal(case_.change)?.code == case_.code, "\(case_.what)") }
    }

    @Test func aProducerWithoutNumberNeedsNoSequence() {
        #expect(refusal { $0.replaceSubrange(43..<57, with: Array(repeating: 0xff, count: 14)) } == nil)
        #expect(refusal { $0[22] |= 0x10 } == nil)  // of a transaction
    }

    @Test func aRecordThatIsNoneIsRefusedWithItsNumber() {
        let second = Self.first + 1 + Int(Self.good[Self.first] / 2)
        let wrong: [(what: String, record: Int?, change: (inout [UInt8]) -> Void)] = [
            ("a length beyond the batch", 0, { $0[Self.first] = 0x7e }),
            ("a negative length", 0, { $0[Self.first] = 0x01 }),
            ("a length of nothing", 0, { $0[Self.first] = 0x00 }),
            (
                "a length that goes on for ever", 0,
                {
                    $0.replaceSubrange(Self.first..<Self.first + 11, with: Array(repeating: 0x80, count: 11))
                }
            ),
            ("another offset", 0, { $0[Self.first + 3] = 0x02 }),
            ("a key of -2 bytes", 0, { $0[Self.first + 4] = 0x03 }),
            ("a key beyond the record", 0, { $0[Self.first + 4] = 0x7e }),
            ("a value that ends before the record", 0, { $0[Self.first + 5] -= 2 }),
            ("a header too many", 0, { $0[second - 1] = 0x02 }),
            ("a negative number of headers", 0, { $0[second - 1] = 0x01 }),
            ("an offset that stays", 1, { $0[second + 4] = 0x00 }),
            ("a byte behind the last record", nil, { $0.append(0) }),
        ]
        for case_ in wrong {
            let found = refusal(case_.change)
            #expect(found?.code == .invalidRecord, "\(case_.what)")
            #expect(found?.record == case_.record, "\(case_.what)")
        }
    }

    /// Headers are counted and each is looked at: a key is never null.
    @Test func headersAreLookedAt() throws {
        let second = Self.first + 1 + Int(Self.good[Self.first] / 2)
        let end = second + 1 + (Int(Self.good[second + 1] & 0x7f) << 6 | Int(Self.good[second] & 0x7f) >> 1)
        let name = try #require((second..<Self.good.count).first { Self.good[$0...].starts(with: "lang".utf8) })
        #expect(end > second)
        #expect(refusal { $0[name - 1] = 0x01 }?.record == 1)  // a name of -1 bytes
        #expect(refusal { $0[name - 1] = 0x7e }?.record == 1)
        #expect(refusal { $0[name - 2] = 0x02 }?.record == 1)  // one header, and bytes of two
        #expect(refusal { $0[name - 2] = 0x06 }?.record == 1)  // three
        #expect(refusal { $0[name + 4] = 0x03 }?.record == 1)  // a value of -2 bytes
        #expect(refusal { $0[name] = 0xff } == nil)  // names are bytes here
    }

    @Test func timesAreWithinReason() {
        #expect(error(Self.good, Timestamp(1_500)) == nil)
        #expect(error(Self.good, Timestamp(1_499))?.code == .invalidTimestamp)
        // The header says less than the record.
        let found = refusal(latest: Timestamp(1_499)) { $0.replaceSubrange(41..<43, with: [0, 1]) }
        #expect(found?.code == .invalidTimestamp && found?.record == 1)
        // Sums that do not fit into 64 bits, and ones that do by chance.
        let high = refusal { $0.replaceSubrange(27..<35, with: [0x7f] + Array(repeating: 0xff, count: 7)) }
        #expect(high?.code == .invalidTimestamp && high?.record == 1)
        #expect(refusal { $0.replaceSubrange(27..<35, with: Array(repeating: 0xff, count: 8)) }?.record == 2)
        #expect(refusal { $0.replaceSubrange(35..<43, with: Array(repeating: 0xff, count: 8)) } == nil)
    }

    /// Whatever is accepted can be decoded, to as many records as it says, and nothing ends the process.
    @Test(arguments: Seeds.of(20))
    func whatIsAcceptedIsReadable(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var accepted = 0
        for _ in 0..<500 {
            var bytes = Self.good
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let index = Int.random(in: 16..<bytes.count, using: &random)
                bytes[index] = [0, 1, 2, 0x7f, 0x80, 0xff, bytes[index] ^ 2].randomElement(using: &random)!
            }
            bytes = RecordBatchDamageTests.sealed(bytes)
            guard let header = try? RecordBatch.validateProduced(bytes), !header.attributes.isCompressed else {
                continue
            }
            accepted += 1
            let (segment, damage) = RecordBatch.decode(bytes)
            #expect(damage.isEmpty)
            #expect(segment.entries.count == header.recordCount)
            for entry in segment.entries {
                let headers = segment.data[entry.headers.range].withUnsafeBytes { RecordHeaders.decode($0) }
                #expect(headers?.count == Int(entry.headerCount))
            }
        }
        #expect(accepted > 10)
    }
}
