import ColaAMQP
import ColaTesting
import Foundation

/// Values of the codec in the form in which the vectors spell them, so that they can be compared.
enum Spelling {
    static func hex(_ bytes: some Collection<UInt8>) -> String {
        bytes.map { String(format: "%02x", $0) }.joined()
    }

    static func fields(_ table: FieldTable) -> NSArray {
        table.fields.map { [$0.name] + value($0.value) } as NSArray
    }

    /// Type and value.
    private static func value(_ value: FieldValue) -> [Any] {
        switch value {
        case .bool(let value): ["t", NSNumber(value: value)]
        case .int8(let value): ["b", NSNumber(value: value)]
        case .uint8(let value): ["B", NSNumber(value: value)]
        case .int16(let value): ["s", NSNumber(value: value)]
        case .uint16(let value): ["u", NSNumber(value: value)]
        case .int32(let value): ["I", NSNumber(value: value)]
        case .uint32(let value): ["i", NSNumber(value: value)]
        case .int64(let value): ["l", NSNumber(value: value)]
        case .float(let value): ["f", NSNumber(value: value)]
        case .double(let value): ["d", NSNumber(value: value)]
        case .decimal(let scale, let value): ["D", [NSNumber(value: scale), NSNumber(value: value)]]
        case .longString(let bytes): ["S", hex(bytes)]
        case .array(let values): ["A", values.map { self.value($0) } as NSArray]
        case .timestamp(let value): ["T", NSNumber(value: value)]
        case .table(let table): ["F", fields(table)]
        case .void: ["V", NSNull()]
        case .bytes(let bytes): ["x", hex(bytes)]
        }
    }

    /// The arguments of a method by the names that the vectors have for them.
    static func arguments(_ method: Method) -> NSDictionary {
        let arguments = NSMutableDictionary()
        for payload in Mirror(reflecting: method).children {
            for argument in Mirror(reflecting: payload.value).children {
                arguments[name(argument.label ?? "")] = json(argument.value)
            }
        }
        return arguments
    }

    static func properties(_ properties: BasicProperties) -> NSDictionary {
        let all = NSMutableDictionary()
        for property in Mirror(reflecting: properties).children {
            guard let value = Mirror(reflecting: property.value).children.first?.value else { continue }
            all[name(property.label ?? "").replacing("-", with: "_")] = json(value)
        }
        return all
    }

    private static func json(_ value: Any) -> Any {
        switch value {
        case let table as FieldTable: fields(table)
        case let bytes as [UInt8]: hex(bytes)
        case let flag as Bool: NSNumber(value: flag)
        case let number as UInt8: NSNumber(value: number)
        case let number as UInt16: NSNumber(value: number)
        case let number as UInt32: NSNumber(value: number)
        case let number as UInt64: NSNumber(value: number)
        default: value
        }
    }

    /// `messageID` as `message-id`.
    private static func name(_ label: String) -> String {
        label.replacing("ID", with: "Id").map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
    }
}
