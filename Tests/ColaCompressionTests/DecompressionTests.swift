import ColaCompression
import ColaCore
import ColaTesting
import Testing

/// What others compressed is read, what we compress comes back, and what is neither costs no more than it may.
@Suite struct DecompressionTests {
    /// Kilobytes of text and numbers, so that all codecs have something to do, and blocks end in their middle.
    static let large = (0..<40_000).flatMap { Array("record \($0 &* 2_654_435_761 & 0xffff) \($0)\n".utf8) }

    private func failure(_ codec: CompressionCodec, _ bytes: [UInt8], sizeMax: Int = 1 << 20) -> DecompressionError? {
        do throws(DecompressionError) {
            _ = try codec.decompress(bytes, sizeMax: sizeMax)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: ForeignVector.all)
    func whatOthersWroteIsRead(vector: ForeignVector) throws {
        #expect(try vector.codec.decompress(vector.bytes, sizeMax: 1 << 20) == vector.contents)
        // To the byte.
        #expect(try vector.codec.decompress(vector.bytes, sizeMax: vector.contents.count) == vector.contents)
        if !vector.contents.isEmpty {
            let sizeMax = vector.contents.count - 1
            #expect(failure(vector.codec, vector.bytes, sizeMax: sizeMax) == .tooLarge(sizeMax: sizeMax))
        }
    }

    /// A part of what others wrote is refused, unless it is one by itself; never is it more than the beginning.
    @Test(arguments: ForeignVector.all)
    func aPartOfItIsNoneOrTheBeginning(vector: ForeignVector) {
        var accepted = 0
        for count in 0..<vector.bytes.count {
            guard let part = try? vector.codec.decompress(Array(vector.bytes[..<count]), sizeMax: 1 << 20) else {
                continue
            }
            #expect(part.count < vector.contents.count || vector.contents.isEmpty, "cut to \(count)")
            #expect(vector.contents.starts(with: part), "cut to \(count)")
            accepted += 1
        }
        // Between members, frames and blocks.
        #expect(accepted <= 7, "\(accepted) parts were taken for the whole")
    }

    @Test(arguments: CompressionCodec.allCases)
    func nothingIsNotWhatACodecWrites(codec: CompressionCodec) {
        #expect(failure(codec, []) == .cutShort)
    }

    @Test(arguments: CompressionCodec.allCases)
    func whatIsCompressedComesBack(codec: CompressionCodec) throws {
        for count in [0, 1, 2, 100, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 131_072, Self.large.count] {
            let bytes = Array(Self.large[..<count])
            let compressed = codec.compress(bytes)
            #expect(try codec.decompress(compressed, sizeMax: count) == bytes, "\(count) bytes")
            if count > 1_000 { #expect(compressed.count < count) }
        }
    }

    @Test(arguments: Seeds.of(10), CompressionCodec.allCases)
    func whateverIsCompressedComesBack(seed: UInt64, codec: CompressionCodec) throws {
        var random = SplitMix64(seed: seed)
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            let count = Int.random(in: 0...10_000, using: &random)
            if Bool.random(using: &random) {
                bytes += (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            } else {
                bytes += Array(repeating: UInt8(truncatingIfNeeded: random.next()), count: count)
            }
        }
        #expect(try codec.decompress(codec.compress(bytes), sizeMax: bytes.count) == bytes)
    }

    @Test(arguments: CompressionCodec.allCases)
    func twoPutOneBehindTheOtherAreBoth(codec: CompressionCodec) throws {
        let (first, second) = (Array(Self.large[..<70_000]), Array(Self.large[70_000..<100_000]))
        let both = codec.compress(first) + codec.compress(second)
        #expect(try codec.decompress(both, sizeMax: 100_000) == first + second)
        #expect(failure(codec, both, sizeMax: 99_999) == .tooLarge(sizeMax: 99_999))
    }

    /// 16 MiB of zeros are a few kilobytes, or what Snappy makes of them.
    @Test(arguments: CompressionCodec.allCases)
    func aBombEndsAtItsBound(codec: CompressionCodec) throws {
        let bomb = codec.compress([UInt8](repeating: 0, count: 16 << 20))
        #expect(bomb.count < 1 << 20)
        #expect(failure(codec, bomb) == .tooLarge(sizeMax: 1 << 20))
        #expect(failure(codec, bomb, sizeMax: (16 << 20) - 1) == .tooLarge(sizeMax: (16 << 20) - 1))
        #expect(failure(codec, bomb, sizeMax: 0) == .tooLarge(sizeMax: 0))
        #expect(try codec.decompress(bomb, sizeMax: 16 << 20).count == 16 << 20)
    }

    /// Ten bytes that say that they are 4 GiB, or a terabyte.
    @Test func aSizeThatIsOnlySaidCostsNothing() {
        #expect(failure(.snappy, [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0], sizeMax: .max) == .malformed)
        // Plausible, but beyond the bound; then within it, but not true.
        let block: [UInt8] = [0xc0, 0x01] + [UInt8](repeating: 0, count: 7)
        #expect(failure(.snappy, block, sizeMax: 191) == .tooLarge(sizeMax: 191))
        #expect(failure(.snappy, block, sizeMax: 192) == .malformed)
        // Zstandard: one frame with a size of 2^40 bytes and a window of as much; then with a window it may have.
        let size: [UInt8] = [0, 0, 0, 0, 0, 1, 0, 0]
        #expect(failure(.zstd, [0x28, 0xb5, 0x2f, 0xfd, 0xe0] + size + [1, 0, 0], sizeMax: .max) == .malformed)
        let untrue = [0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x58] + size + [9, 0, 0, 7]
        #expect(failure(.zstd, untrue, sizeMax: .max) == .malformed)
        // LZ4: blocks of 4 MiB, and a size of 2^40 bytes.
        let frame = CompressionCodec.lz4.compress(Array("hello".utf8))
        #expect(failure(.lz4, Array(frame[..<7])) == .cutShort)
    }

    /// One bit more than the window that is allowed.
    @Test func aWindowThatIsTooWideIsRefused() throws {
        let frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00]
        let empty: [UInt8] = [1, 0, 0]
        #expect(try CompressionCodec.zstd.decompress(frame + [(27 - 10) << 3] + empty, sizeMax: 10) == [])
        #expect(failure(.zstd, frame + [(28 - 10) << 3] + empty) == .malformed)
    }

    @Test(arguments: CompressionCodec.allCases)
    func whatFollowsIsNotPassedOver(codec: CompressionCodec) {
        let compressed = codec.compress(ForeignVector.text)
        #expect(failure(codec, compressed + Array("garbage that is long enough".utf8)) != nil)
        #expect(failure(codec, compressed + [0]) != nil)
    }

    @Test func blocksOfSnappyAreWhatTheySay() {
        let header = [0x82] + Array("SNAPPY".utf8) + [0, 0, 0, 0, 1, 0, 0, 0, 1]
        #expect(failure(.snappy, header) == nil)
        #expect(failure(.snappy, Array(header[..<15])) == .cutShort)
        #expect(failure(.snappy, header + [0, 0, 0]) == .cutShort)
        #expect(failure(.snappy, header + [0, 0, 0, 0]) == .malformed)
        #expect(failure(.snappy, header + [0xff, 0xff, 0xff, 0xff, 0]) == .malformed)
        #expect(failure(.snappy, header + [0x7f, 0xff, 0xff, 0xff, 0]) == .cutShort)
        #expect(failure(.snappy, header + [0, 0, 0, 2, 1]) == .cutShort)
        #expect(failure(.snappy, header + [0, 0, 0, 1, 0]) == nil)  // a block of nothing
    }

    /// Checksums find most changes of gzip, LZ4 and Zstandard; where there are none, the size is right all the same.
    @Test(arguments: Seeds.of(8), CompressionCodec.allCases)
    func noiseIsRefusedOrWithinItsBound(seed: UInt64, codec: CompressionCodec) {
        var random = SplitMix64(seed: seed)
        let good = ForeignVector.all.filter { $0.codec == codec }.map(\.bytes) + [codec.compress(ForeignVector.text)]
        var refused = 0
        for _ in 0..<500 {
            var bytes = good.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes.remove(at: index)
                case 1: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: index)
                default: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                }
            }
            do {
                let found = try codec.decompress(bytes, sizeMax: 10_000)
                #expect(found.count <= 10_000)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 100)
    }

    /// One library's tables for each call, and none for two.
    @Test func manyMayDecompressAtOnce() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<64 {
                group.addTask {
                    let vector = ForeignVector.all[number % ForeignVector.all.count]
                    for _ in 0..<20 {
                        let found = try vector.codec.decompress(vector.bytes, sizeMax: 1 << 20)
                        #expect(found == vector.contents)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
