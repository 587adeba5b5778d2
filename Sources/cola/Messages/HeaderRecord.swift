import ColaClient
import ColaCore

/// The headers of a message as one JSON object, and what `cola import` makes of it.
///
/// A header's name may be any text, so what its value is cannot be told by a name beside it, as it is with a body.
///
/// Shape:  `{"name":"text","other":["first","second"],"raw":{"base64":"/w=="}}`: a value that is not UTF-8 is an object
///         with the one member `base64`; a header that repeats has an array of its values.
enum HeaderRecord {
    static func object(of headers: [Header]) -> JSONValue {
        var members: [JSONValue.Member] = []
        for header in headers {
            guard let index = members.firstIndex(where: { $0.name == header.name }) else {
                members.append(.init(name: header.name, value: value(header.bytes)))
                continue
            }
            switch members[index].value {
            case .list(let values): members[index].value = .list(values + [value(header.bytes)])
            case let first: members[index].value = .list([first, value(header.bytes)])
            }
        }
        return .object(members)
    }

    static func append(_ headers: [Header], to bytes: inout [UInt8]) { object(of: headers).append(to: &bytes) }

    private static func value(_ bytes: [UInt8]) -> JSONValue {
        if let text = String(validating: bytes, as: UTF8.self) { return .text(text) }
        let encoded = String(decoding: JSONText.base64(bytes), as: UTF8.self)
        return .object([.init(name: "base64", value: .text(encoded))])
    }

    /// Leaves the broker's own headers out.
    static func parse(_ value: JSONValue) throws(MessageRecord.Malformed) -> [(name: String, value: [UInt8])] {
        switch value {
        case .null, .object: break
        default: throw MessageRecord.Malformed(sentence: "has 'headers', which are no object of names and values")
        }
        var headers: [(name: String, value: [UInt8])] = []
        for member in value.members where !member.name.hasPrefix("cola-") {
            let values: [JSONValue] = if case .list(let values) = member.value { values } else { [member.value] }
            for value in values { headers.append((member.name, try bytes(of: value, header: member.name))) }
        }
        return headers
    }

    private static func bytes(of value: JSONValue, header name: String) throws(MessageRecord.Malformed) -> [UInt8] {
        guard !name.isEmpty else { throw MessageRecord.Malformed(sentence: "has a header without a name") }
        if let text = value.text { return Array(text.utf8) }
        guard value.members.count == 1, let encoded = value["base64"].text else {
            throw MessageRecord.Malformed(
                sentence: "has a header '\(name)' whose value is neither text nor {\"base64\":\"…\"}")
        }
        guard let bytes = JSONText.bytes(base64: encoded) else {
            throw MessageRecord.Malformed(sentence: "has a header '\(name)' whose value is not base64")
        }
        return bytes
    }
}
