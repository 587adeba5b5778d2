import ColaCompression
import ColaCore

/// What a hostile producer compressed, or says that it did.
///
/// The first byte chooses the codec; what follows is decompressed with a bound of 64 KiB, and compressed, which must
/// come back. What was refused with a bound must be refused with a smaller one, and what was read is the same with a
/// larger one.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDecompression(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first, let codec = CompressionCodec(rawValue: first % 4 + 1) else { return 0 }
    let input = Array(bytes.dropFirst())
    let sizeMax = 64 * 1024
    if let output = try? codec.decompress(input, sizeMax: sizeMax) {
        precondition(output.count <= sizeMax, "\(output.count) bytes")
        let again = try? codec.decompress(input, sizeMax: output.count)
        precondition(again == output, "another result with another bound")
        if !output.isEmpty {
            let less = try? codec.decompress(input, sizeMax: output.count - 1)
            precondition(less == nil, "\(output.count) bytes within a bound of one less")
        }
    }
    let back = try? codec.decompress(codec.compress(input), sizeMax: input.count)
    precondition(back == input, "\(input.count) bytes do not come back")
    return 0
}
