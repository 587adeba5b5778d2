import ColaAMQP
import NIOCore

/// Frames of AMQP 0-9-1 as a hostile client would send them.
///
/// The first byte says how the stream is cut; the rest is what comes. Each frame found is read as what it says it is,
/// and the payload as everything else, since a fuzzer seldom guesses the frame around it. What was accepted must lie
/// within the bytes, must be no more than the bytes can hold, and must come back the same when it is written and read
/// again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAMQPCodec(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    stream(Array(bytes[1...]), step: 1 + Int(bytes[0]))
    bytes[1...].withUnsafeBytes { payload in
        method(payload)
        header(payload)
        properties(payload)
        if let table = try? FieldTable.decode(payload) { check(table, payload.count) }
    }
    return 0
}

private func stream(_ bytes: [UInt8], step: Int) {
    var start = 0
    var end = 0
    var isHeld = false
    while true {
        let scan = bytes[..<end].withUnsafeBytes { bytes in
            if start == 0 { _ = ProtocolHeader.scan(bytes) }
            return FrameScanner.scan(bytes, from: start, payloadMax: 1_000)
        }
        switch scan {
        case .incomplete(let needed):
            precondition(needed > end - start && needed <= 1_008, "\(end - start) bytes, \(needed) needed")
            guard end < bytes.count else { return }
            end = min(bytes.count, end + step)
            isHeld = true
        case .frame(let frame, let next):
            precondition(frame.payload.lowerBound == start + 7 && frame.payload.upperBound == next - 1)
            precondition(next <= end, "a frame to \(next) in \(end) bytes")
            bytes[frame.payload].withUnsafeBytes { payload in
                switch frame.kind {
                case .method: method(payload)
                case .header: header(payload)
                case .body, .heartbeat: break
                }
            }
            start = next
            isHeld = false
        case .malformed: return
        }
        precondition(start <= end && (isHeld || start > 0))
    }
}

private func method(_ payload: UnsafeRawBufferPointer) {
    let arguments = MethodID(payload) == .basicPublish ? try? PublishArguments.decode(payload) : nil
    guard let method = try? Method.decode(payload) else {
        precondition(arguments == nil, "the arguments of what is no method")
        return
    }
    var buffer = ByteBuffer()
    method.write(to: &buffer)
    // `L` comes back as `l`, and a name that was repaired takes more bytes.
    buffer.withUnsafeReadableBytes { again in
        guard let same = try? Method.decode(again) else { preconditionFailure("\(method) cannot be read again") }
        precondition(same.id == method.id, "\(method.id) came back as \(same.id)")
    }
    if case .basicPublish(let exchange, let routingKey, let mandatory, let immediate) = method {
        guard let arguments else { preconditionFailure("a publish without arguments") }
        precondition(payload[arguments.exchange].elementsEqual(exchange.utf8))
        precondition(payload[arguments.routingKey].elementsEqual(routingKey.utf8))
        precondition(arguments.mandatory == mandatory && arguments.immediate == immediate)
    }
    if case .queueDeclare(_, _, _, _, _, _, let table) = method { check(table, payload.count) }
}

private func header(_ payload: UnsafeRawBufferPointer) {
    guard let header = try? ContentHeader.decode(payload) else { return }
    properties(UnsafeRawBufferPointer(rebasing: payload[header.properties]))
}

private func properties(_ bytes: UnsafeRawBufferPointer) {
    guard let places = try? PropertyScanner(bytes) else {
        precondition((try? BasicProperties.decode(bytes)) == nil, "properties of what is no list")
        return
    }
    let texts = [
        places.contentType, places.contentEncoding, places.headers, places.correlationID, places.replyTo,
        places.expiration, places.messageID, places.type, places.userID, places.appID, places.clusterID,
    ]
    for range in texts.compactMap(\.self) {
        precondition(range.lowerBound > 1 && range.upperBound <= bytes.count, "\(range) in \(bytes.count) bytes")
    }
    guard let properties = try? BasicProperties.decode(bytes) else {
        preconditionFailure("a list that was accepted is refused")
    }
    if let headers = properties.headers { check(headers, bytes.count) }
    var buffer = ByteBuffer()
    properties.write(to: &buffer)
    let again = buffer.withUnsafeReadableBytes { try? BasicProperties.decode($0) }
    precondition(again != nil, "what we wrote is refused")
    var written = ByteBuffer()
    written.writeContent(channel: 1, properties: bytes, body: bytes, frameMax: 9 + bytes.count / 3)
    precondition(written.readableBytes > 2 * bytes.count, "\(written.readableBytes) bytes were written")
}

private func check(_ table: FieldTable, _ bytes: Int) {
    let values = values(.table(table))
    precondition(values <= bytes, "\(values) values in \(bytes) bytes")
    var buffer = ByteBuffer()
    buffer.writeFieldTable(table)
    precondition(buffer.readableBytes == table.encodedBytes, "\(buffer.readableBytes), not \(table.encodedBytes)")
}

private func values(_ value: FieldValue) -> Int {
    switch value {
    case .array(let values): values.reduce(1) { $0 + FuzzAMQPCodec.values($1) }
    case .table(let table): table.fields.reduce(1) { $0 + FuzzAMQPCodec.values($1.value) }
    default: 1
    }
}
