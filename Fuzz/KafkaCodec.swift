import ColaKafka
import NIOCore

/// Requests and responses of Kafka as a hostile peer would send them.
///
/// The first byte says of which API the rest is a body, and in its highest bit whether it is a response; the second in
/// which version. Then the rest is taken as a stream of requests, cut as the second byte says. What was accepted must
/// be written in no more bytes than it had, and must come back the same when that is read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzKafkaCodec(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let rest = UnsafeRawBufferPointer(rebasing: bytes[2...])
    let key = ApiKey.allCases[Int(bytes[0] & 0x7F) % ApiKey.allCases.count]
    let versions = key.request.versions
    let version = versions.lowerBound + Int16(bytes[1]) % Int16(versions.count)
    if bytes[0] < 0x80 { body(key.request, rest, version) } else { body(key.response, rest, version) }
    stream(rest, step: 1 + Int(bytes[1]))
    return 0
}

private func body<Message: KafkaMessage>(_ type: Message.Type, _ bytes: UnsafeRawBufferPointer, _ version: Int16) {
    guard let message = try? Message.decode(bytes, version: version) else { return }
    var writer = KafkaWriter()
    message.write(to: &writer, version: version)
    let written = writer.buffer
    precondition(
        written.readableBytes <= bytes.count, "\(bytes.count) bytes became \(written.readableBytes): \(message)")
    precondition(message.recordBytes <= bytes.count, "\(message.recordBytes) bytes of records in \(bytes.count)")
    written.withUnsafeReadableBytes { bytes in
        guard let again = try? Message.decode(bytes, version: version) else {
            preconditionFailure("\(message) in version \(version) cannot be read again")
        }
        precondition(again == message, "\(message) came back as \(again)")
    }
}

private func stream(_ bytes: UnsafeRawBufferPointer, step: Int) {
    var start = 0
    var end = 0
    while true {
        switch FrameScanner.scan(UnsafeRawBufferPointer(rebasing: bytes[..<end]), from: start, sizeMax: 1_000) {
        case .incomplete(let needed):
            precondition(needed > end - start && needed <= 1_004, "\(end - start) bytes, \(needed) needed")
            guard end < bytes.count else { return }
            end = min(bytes.count, end + step)
        case .frame(let frame):
            precondition(frame.lowerBound == start + 4 && frame.upperBound <= end, "\(frame) in \(end) bytes")
            request(UnsafeRawBufferPointer(rebasing: bytes[frame]))
            start = frame.upperBound
        case .malformed: return
        }
    }
}

private func request(_ frame: UnsafeRawBufferPointer) {
    var reader = KafkaReader(frame)
    guard let header = try? RequestHeader(from: &reader) else { return }
    precondition(reader.position <= frame.count)
    guard let key = ApiKey(rawValue: header.apiKey), key.request.versions.contains(header.version) else { return }
    body(key.request, UnsafeRawBufferPointer(rebasing: frame[reader.position...]), header.version)
}
