import ColaCompression
import ColaCore

/// Record batches as Kafka's clients and brokers write them.
enum KafkaBatches {
    /// One batch of each codec, of the same six records, written by kafka-python: the fourth is five milliseconds
    /// early, the fifth has no value. All but the first are of producer 1234 in epoch 7, from sequence
    /// 100 on; the last one is of a transaction.
    static let batches: [(codec: CompressionCodec?, hex: String)] = [
        (
            nil,
            """
            0000000000000000000001b200000000020a7083630000000000050000018bcfe568000000018bcfe56832ffffffffff
            ffffffffffffffffff000000068e0100000001800176616c756520302076616c756520302076616c756520302076616c
            756520302076616c756520302076616c756520302076616c756520302076616c7565203020009201001402046b318001
            76616c756520312076616c756520312076616c756520312076616c756520312076616c756520312076616c7565203120
            76616c756520312076616c7565203120009c0100280401800176616c756520322076616c756520322076616c75652032
            2076616c756520322076616c756520322076616c756520322076616c756520322076616c75652032200402680278026e
            019201003206046b33800176616c756520332076616c756520332076616c756520332076616c756520332076616c7565
            20332076616c756520332076616c756520332076616c7565203320000c005008010100920100640a046b35800176616c
            756520352076616c756520352076616c756520352076616c756520352076616c756520352076616c756520352076616c
            756520352076616c756520352000
            """
        ),
        (
            .gzip,
            """
            00000000000000000000009d0000000002514b83940001000000050000018bcfe568000000018bcfe568320000000000
            0004d2000700000064000000061f8b0800a4cb046b02ffeb63646060606c602c4bcc294d55305020976698c4c820c2c4
            926d0833ca50815c9a610e2383060bdc4d460ae4d22c4c194c154c798c40a719b1b1641bc34c3456209766e06108e060
            64047936858b25db1466a2a902b9340300f0d6546f81010000
            """
        ),
        (
            .snappy,
            """
            0000000000000000000000b300000000026628afbb0002000000050000018bcfe568000000018bcfe568320000000000
            0004d20007000000640000000682534e415050590000000001000000010000006e81033c8e0100000001800176616c75
            65203020de080020009201001402046b31114b00310d4bc6080014009c01002804159400320d49c608003c0402680278
            026e019201003206046b33119b00330d52c6080018000c005008010101ed10640a046b35115200350d52c608000000
            """
        ),
        (
            .lz4,
            """
            0000000000000000000000be0000000002c4eef1840003000000050000018bcfe568000000018bcfe568320000000000
            0004d20007000000640000000604224d18684081010000000000005b76000000ff018e0100000001800176616c756520
            302008002594009201001402046b314b0013314b000f08001f65009c010028049400133249000f08001ff40104026802
            78026e019201003206046b339b00133352000f08001f70000c0050080101ed0054640a046b355200133552000f08001b
            50652035200000000000
            """
        ),
        (
            .zstd,
            """
            00000000000000000000009e0000000002887693ca0014000000050000018bcfe568000000018bcfe568320000000000
            0004d20007000000640000000628b52ffd6081001d030004048e0100000001800176616c756520302000920100140204
            6b3131009c01002804320402680278026e019201003206046b3333000c0050080101640a046b3535000e008308205f20
            0d37810d2240beaa40ec2002e47b31450d2240be4e208eee2c4b
            """
        ),
    ]

    static func written(by codec: CompressionCodec?, base: Int64 = 0) -> [UInt8] {
        let digits = batches.first { $0.codec == codec }!.hex.compactMap { $0.hexDigitValue.map { UInt8($0) } }
        var bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        put(base, at: 0, of: &bytes)
        return bytes
    }

    /// Records like those of the tests, compressed by us.
    static func made(
        _ offsets: some Sequence<Int64>, codec: CompressionCodec? = nil, producer: Int64 = 9, bodyBytes: Int = 16
    ) -> [UInt8] {
        var bytes = RecordBatch.encode(.numbered(offsets, bodyBytes: bodyBytes))
        put(producer, at: 43, of: &bytes)
        put(Int16(3), at: 51, of: &bytes)
        put(Int32(0), at: 53, of: &bytes)
        if let codec {
            bytes[22] |= codec.rawValue
            bytes.replaceSubrange(61..., with: codec.compress(Array(bytes[61...])))
        }
        return sealed(bytes)
    }

    /// The end of a transaction.
    static func marker(_ offset: Int64, producer: Int64 = 9) -> [UInt8] {
        var bytes = made(offset..<offset + 1, producer: producer)
        bytes[22] = 0x30
        return sealed(bytes)
    }

    /// What compaction leaves of a batch whose records are gone.
    static func empty(_ offsets: ClosedRange<Int64>) -> [UInt8] {
        var bytes = Array(made(offsets.lowerBound..<offsets.lowerBound + 1)[..<61])
        put(Int32(offsets.upperBound - offsets.lowerBound), at: 23, of: &bytes)
        put(Int32(0), at: 57, of: &bytes)
        return sealed(bytes)
    }

    /// `bytes` as one batch: with a length and a checksum that fit.
    static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var sealed = bytes
        put(Int32(bytes.count - 12), at: 8, of: &sealed)
        put(CRC32C.checksum(Array(sealed[21...])), at: 17, of: &sealed)
        return sealed
    }

    static func put(_ value: some FixedWidthInteger, at position: Int, of bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes.replaceSubrange(position..<position + $0.count, with: $0) }
    }
}
