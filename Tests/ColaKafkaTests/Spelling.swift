import ColaKafka
import ColaTesting
import Foundation
import NIOCore

/// Messages in the form in which the vectors spell them, so that they can be compared.
enum Spelling {
    static func hex(_ bytes: some Collection<UInt8>) -> String {
        bytes.map { String(format: "%02x", $0) }.joined()
    }

    /// The fields of a message by Kafka's names, those of all versions.
    static func fields(_ message: Any) -> NSDictionary {
        let fields = NSMutableDictionary()
        for child in Mirror(reflecting: message).children {
            guard let label = child.label else { continue }
            let name = label.prefix(1).uppercased() + label.dropFirst().replacing("ID", with: "Id")
            fields[name] = value(child.value)
        }
        return fields
    }

    private static func value(_ value: Any) -> Any {
        let isBytes = type(of: value) == [UInt8].self
        switch value {
        case let value as Bool: return NSNumber(value: value)
        case let value as Int8: return NSNumber(value: value)
        case let value as Int16: return NSNumber(value: value)
        case let value as Int32: return NSNumber(value: value)
        case let value as Int64: return NSNumber(value: value)
        case let value as ErrorCode: return NSNumber(value: value.rawValue)
        case let value as String: return value
        // Every array without elements is one of bytes, if it is asked only whether it can be.
        case let value as [UInt8] where isBytes: return hex(value)
        case let value as WireRecords: return hex(value.pieces.joined())
        case let value as Uuid: return String(format: "%016lx%016lx", value.high, value.low)
        default: break
        }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional: return mirror.children.first.map { self.value($0.value) } ?? NSNull()
        case .collection: return mirror.children.map { self.value($0.value) } as NSArray
        default: return fields(value)
        }
    }

    /// Whether `fields` has all that `given` has, at any depth; what a version does not have is in `fields` alone.
    static func covers(_ fields: Any?, _ given: Any?) -> Bool {
        switch (fields, given) {
        case (let fields as NSDictionary, let given as NSDictionary):
            return given.allSatisfy { covers(fields[$0.key], $0.value) }
        case (let fields as NSArray, let given as NSArray):
            return fields.count == given.count && zip(fields, given).allSatisfy { covers($0, $1) }
        default: return (fields as? NSObject) == (given as? NSObject)
        }
    }
}

/// A message of the vectors: its frame, and what it means.
struct MessageVector {
    let name: String
    let message: String
    let version: Int16
    let fields: NSDictionary
    let bytes: [UInt8]
    let key: ApiKey
    let type: any KafkaMessage.Type

    var isRequest: Bool { type is any KafkaRequest.Type }

    /// Where the body begins.
    func body() throws -> Int {
        try bytes.withUnsafeBytes { bytes in
            var reader = KafkaReader(bytes, from: FrameScanner.sizeBytes)
            if isRequest {
                _ = try RequestHeader(from: &reader)
            } else {
                _ = try ResponseHeader(from: &reader, key: key, version: version)
            }
            return reader.position
        }
    }

    static func all() throws -> [MessageVector] {
        var types: [String: any KafkaMessage.Type] = [:]
        for key in ApiKey.allCases {
            types["\(key.request)"] = key.request
            types["\(key.response)"] = key.response
        }
        return try Vectors("kafka").list("messages").map { vector in
            guard let message = vector["message"] as? String, let type = types[message],
                let fields = vector["fields"] as? NSDictionary, let version = Vectors.number(vector["version"])
            else { throw Vectors.Unknown(what: "\(vector)") }
            return MessageVector(
                name: vector["name"] as? String ?? "?", message: message, version: Int16(version), fields: fields,
                bytes: Vectors.bytes(["hex": vector["hex"]]), key: type.apiKey, type: type)
        }
    }
}

extension KafkaMessage {
    /// The body in this version.
    func bytes(version: Int16) -> [UInt8] {
        var writer = KafkaWriter()
        write(to: &writer, version: version)
        return Array(writer.buffer.readableBytesView)
    }

    static func decode(_ bytes: some Collection<UInt8>, version: Int16) throws -> Self {
        let bytes = Array(bytes)
        return try bytes.withUnsafeBytes { bytes throws(Malformed) in try Self.decode(bytes, version: version) }
    }

    func equals(_ other: any KafkaMessage) -> Bool { (other as? Self) == self }
}
