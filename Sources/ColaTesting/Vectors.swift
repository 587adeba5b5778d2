internal import Foundation

/// The shared vectors of a protocol, as far as they are bytes.
///
/// Source: `protocol/vectors/README.md`
package struct Vectors {
    /// A vector of a kind that the tests were not taught.
    package struct Unknown: Error {
        let what: String

        package init(what: String) { self.what = what }
    }

    private let file: [String: Any]

    package init(_ name: String = "native") throws {
        let path = URL(filePath: #filePath).appending(path: "../../../protocol/vectors/\(name).json").standardized
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: path))
        guard let file = json as? [String: Any] else { throw Unknown(what: "a file that is no object") }
        self.file = file
    }

    package func list(_ name: String) throws -> [[String: Any]] {
        guard let list = file[name] as? [[String: Any]] else { throw Unknown(what: name) }
        return list
    }

    /// `text`, `hex` or `parts`, with or without `repeat`; a bare string is its UTF-8.
    package static func bytes(_ value: Any?) -> [UInt8] {
        if let text = value as? String { return Array(text.utf8) }
        guard let object = value as? [String: Any] else { return [] }
        var bytes: [UInt8] = []
        if let text = object["text"] as? String { bytes = Array(text.utf8) }
        if let hex = object["hex"] as? String {
            let digits = Array(hex.filter { $0 != " " })
            bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0..<$0 + 2]), radix: 16)
            }
        }
        if let parts = object["parts"] as? [Any] { bytes = parts.flatMap { self.bytes($0) } }
        let times = (object["repeat"] as? NSNumber)?.intValue ?? 1
        return times == 1 ? bytes : Array(repeatElement(bytes, count: times).joined())
    }

    package static func text(_ value: Any?) -> String? {
        value == nil ? nil : String(decoding: bytes(value), as: UTF8.self)
    }

    package static func number(_ value: Any?) -> Int64? { (value as? NSNumber)?.int64Value }

    /// A list of pairs of texts.
    package static func texts(_ value: Any?) -> [(String, String)] {
        (value as? [[Any]] ?? []).map { (text($0[0]) ?? "", text($0[1]) ?? "") }
    }
}
