import ColaClient
import ColaCore
import NIOCore

/// How a message is printed: its bare body and a line feed, or one JSON object a line.
enum MessageFormat {
    case body
    case json

    func append(_ message: StoredMessage, to bytes: inout [UInt8]) {
        switch self {
        case .body: bytes.append(contentsOf: message.body.readableBytesView)
        case .json: appendJSON(message, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Members may be added, never renamed. A key or body that is not UTF-8 stands under its name with `_base64`;
    /// headers are as ``HeaderRecord`` has them.
    private func appendJSON(_ message: StoredMessage, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "{\"offset\":\(message.offset),\"redelivered\":\(message.isRedelivered)".utf8)
        if message.partition > 0 { bytes.append(contentsOf: ",\"partition\":\(message.partition)".utf8) }
        if message.priority > 0 { bytes.append(contentsOf: ",\"priority\":\(message.priority)".utf8) }
        if let failed = message.failedDeliveries {
            bytes.append(contentsOf: ",\"failed_deliveries\":\(failed)".utf8)
        }
        if let timestamp = message.timestampMilliseconds {
            bytes.append(contentsOf: ",\"timestamp\":\(timestamp)".utf8)
        }
        if let key = message.key {
            bytes.append(UInt8(ascii: ","))
            JSONText.appendMember("key", key, to: &bytes)
        }
        if !message.headers.isEmpty {
            bytes.append(contentsOf: ",\"headers\":".utf8)
            HeaderRecord.append(message.headers, to: &bytes)
        }
        if message.isNull { return bytes.append(contentsOf: ",\"body\":null}".utf8) }
        bytes.append(UInt8(ascii: ","))
        JSONText.appendMember("body", Array(message.body.readableBytesView), to: &bytes)
        bytes.append(UInt8(ascii: "}"))
    }
}
