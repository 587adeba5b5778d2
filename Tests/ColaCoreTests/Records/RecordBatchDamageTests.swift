import ColaCore
import ColaTesting
import Testing

/// What is not a record batch is named as damage, costs no more than its own records, and never ends the process.
@Suite struct RecordBatchDamageTests {
    static let good = RecordSamples.bytes(hex: RecordBatchTests.three)

    @Test func everyPrefixThatIsCutShortIsDamage() {
        for count in 1..<Self.good.count {
            let (segment, damage) = RecordBatch.decode(Array(Self.good[..<count]))
            #expect(segment.isEmpty, "cut to \(count)")
            #expect(damage.count == 1, "cut to \(count)")
            #expect(damage.first?.reason == .cutShort, "cut to \(count)")
        }
    }

    /// Bytes 0 to 7 are the base offset and 12 to 15 the leader's epoch: Kafka leaves them outside the checksum, so
    /// that a broker can set them. A changed base moves all offsets alike, and whoever knows where the batch should
    /// begin (the store does) compares it; the epoch means nothing here. Every other byte is covered or checked.
    @Test func everyFlippedByteIsFoundOrHarmless() {
        let contents = RecordSamples.contents(RecordBatch.decode(Self.good).segment)
        for index in Self.good.indices {
            for mask: UInt8 in [0x01, 0x10, 0x80, 0xff] {
                var bytes = Self.good
                bytes[index] ^= mask
                let (segment, damage) = RecordBatch.decode(bytes)
                switch index {
                case 0..<8 where damage.isEmpty:
                    let shift = segment.entries[0].offset.rawValue - 42
                    #expect(shift != 0)
                    let moved = contents.map { content in
                        var content = content
                        content.offset += shift
                        return content
                    }
                    #expect(RecordSamples.contents(segment) == moved, "byte \(index)")
                case 12..<16:
                    #expect(damage.isEmpty && RecordSamples.contents(segment) == contents, "byte \(index)")
                default:
                    #expect(segment.isEmpty, "byte \(index)")
                    #expect(!damage.isEmpty, "byte \(index)")
                }
            }
        }
    }

    @Test func damageSaysWhatAndWhere() {
        func found(_ index: Int, becomes byte: UInt8) -> RecordBatch.Damage? {
            var bytes = Self.good
            bytes[index] = byte
            return RecordBatch.decode(bytes).damage.first
        }
        #expect(found(16, becomes: 1)?.reason == .badMagic)
        #expect(found(90, becomes: 0xee)?.reason == .badChecksum)
        #expect(found(8, becomes: 0x80)?.reason == .badLength)
        #expect(found(11, becomes: 48)?.reason == .badLength)
        #expect(found(8, becomes: 0x7f)?.reason == .cutShort)
        #expect(found(0, becomes: 0xff)?.reason == .badRecord)
        #expect(found(90, becomes: 0xee)?.position == 0)
        #expect(found(90, becomes: 0xee)?.offsets == Offset(42)...Offset(47))
        #expect(found(8, becomes: 0x7f)?.offsets == nil)
        #expect(found(0, becomes: 0xff)?.offsets == nil)
        #expect(found(90, becomes: 0xee)?.description == "record batch at byte 0: its checksum does not match")
    }

    @Test func aDamagedBatchCostsNoOtherBatch() {
        let segment = RecordSamples.segment(count: 200, size: 1_000)
        var bytes = RecordBatch.encode(segment)
        let batches = RecordBatchTests.batches(in: bytes)
        #expect(batches.count == 4)
        bytes[batches[1].startIndex + 1_000] ^= 4
        let (found, damage) = RecordBatch.decode(bytes)
        #expect(damage.count == 1)
        #expect(damage.first?.reason == .badChecksum)
        #expect(damage.first?.position == batches[1].startIndex)
        let lost = damage.first?.offsets ?? Offset(0)...Offset(0)
        #expect(
            RecordSamples.contents(found)
                == RecordSamples.contents(segment).filter { !lost.contains(Offset($0.offset)) })
        #expect(found.entries.count == 200 - RecordBatchTests.number(batches[1], at: 57, bytes: 4))
    }

    @Test func afterALengthThatCannotBeBelievedTheRestIsLeftOut() {
        let segment = RecordSamples.segment(count: 200, size: 1_000)
        var bytes = RecordBatch.encode(segment)
        let batches = RecordBatchTests.batches(in: bytes)
        bytes[batches[1].startIndex + 8] = 0x7f
        let (found, damage) = RecordBatch.decode(bytes)
        #expect(damage.map(\.reason) == [.cutShort])
        #expect(found.entries.count == RecordBatchTests.number(batches[0], at: 57, bytes: 4))
    }

    /// The base is outside the checksum, so a changed one can put a batch before its neighbour. Offsets of a segment
    /// grow, or nothing is found in it.
    @Test func aBatchThatDoesNotFollowTheOneBeforeIsDamage() {
        let first = RecordBatch.encode(RecordSamples.segment(count: 3, from: 10))
        for base: Int64 in [0, 10, 12] {
            let (segment, damage) = RecordBatch.decode(
                first + RecordBatch.encode(RecordSamples.segment(count: 2, from: base)))
            #expect(segment.entries.map(\.offset.rawValue) == [10, 11, 12], "second from \(base)")
            #expect(damage.map(\.reason) == [.badOrder], "second from \(base)")
        }
        #expect(
            RecordBatch.decode(first + RecordBatch.encode(RecordSamples.segment(count: 2, from: 13))).damage.isEmpty)
    }

    /// Changes a batch and gives it a checksum that fits, as a disk never would and an attacker does.
    private func forged(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = Self.good
        change(&bytes)
        return Self.sealed(bytes)
    }

    static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count > 21 else { return bytes }
        var sealed = bytes
        sealed.replaceSubrange(8..<12, with: Self.bigEndian(UInt32(bytes.count - 12)))
        sealed.replaceSubrange(17..<21, with: Self.bigEndian(CRC32C.checksum(Array(sealed[21...]))))
        return sealed
    }

    static func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    @Test func aRightChecksumDoesNotMakeAWrongBatchRight() {
        let unchanged = forged { _ in }
        #expect(RecordBatch.decode(unchanged).damage.isEmpty)
        let compressed = forged { $0[22] = 4 }
        #expect(RecordBatch.decode(compressed).damage.map(\.reason) == [.compressed])
        let wrong: [(what: String, change: (inout [UInt8]) -> Void)] = [
            ("a negative last offset", { $0[23] = 0x80 }),
            ("a last offset below one of its records", { $0[26] = 4 }),
            ("a negative number of records", { $0[57] = 0xff }),
            ("more records than there are", { $0[60] = 4 }),
            ("2,147,483,647 records", { $0.replaceSubrange(57..<61, with: [0x7f, 0xff, 0xff, 0xff]) }),
            ("fewer records than there are", { $0[60] = 2 }),
            ("no record, but bytes of some", { $0[60] = 0 }),
            ("a record that is longer than the batch", { $0[61] = 0x7e }),
            ("a record of a negative length", { $0[61] = 0x01 }),
            ("a record of no bytes", { $0[61] = 0x00 }),
            ("a key of -2 bytes", { $0[65] = 0x03 }),
            ("a key that is longer than the record", { $0[65] = 0x7e }),
            ("a value that is longer than the record", { $0[66] = 0x7e }),
            ("a number of headers below none", { $0[72] = 0x01 }),
            ("headers without bytes", { $0[72] = 0x02 }),
            ("an offset that does not grow", { $0[76] = 0x00 }),
            ("an offset that goes back", { $0[76] = 0x01 }),
            ("a byte after the last record", { $0.append(0) }),
        ]
        for case_ in wrong {
            let (segment, damage) = RecordBatch.decode(forged(case_.change))
            #expect(segment.isEmpty, "\(case_.what)")
            #expect(damage.map(\.reason) == [.badRecord], "\(case_.what)")
        }
    }

    @Test func aBaseThatLeavesNoRoomForItsRecordsIsDamage() {
        let bytes = forged { $0.replaceSubrange(0..<8, with: [0x7f] + Array(repeating: 0xff, count: 7)) }
        let (segment, damage) = RecordBatch.decode(bytes)
        #expect(segment.isEmpty)
        #expect(damage.map(\.reason) == [.badRecord])
        #expect(damage.first?.offsets == nil)
    }

    @Test(arguments: RecordSeeds.first(20))
    func anyChangeUnderARightChecksumIsReadOrNamed(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<300 {
            var bytes = Self.good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.remove(at: index)
                case 1: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: index)
                case 2: bytes[index] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random)!
                default: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                }
            }
            let (segment, damage) = RecordBatch.decode(Self.sealed(bytes))
            #expect(damage.isEmpty || segment.isEmpty)
            for (entry, next) in zip(segment.entries, segment.entries.dropFirst()) {
                #expect(entry.offset < next.offset)
            }
            for entry in segment.entries {
                for part in [entry.key, entry.value, entry.headers] { #expect(part.range.upperBound <= bytes.count) }
            }
        }
    }

    @Test(arguments: RecordSeeds.first(10))
    func noiseIsNamedAndEnds(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 1...200, using: &random)).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            let (segment, damage) = RecordBatch.decode(bytes)
            #expect(segment.isEmpty)
            #expect(!damage.isEmpty)
        }
    }
}
