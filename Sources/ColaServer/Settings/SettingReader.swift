/// Turns given texts into values as the table of settings describes them.
struct SettingReader {
    let given: [String: (value: String, origin: String)]

    private func find(_ name: String) -> (setting: Setting, value: String?, origin: String) {
        guard let setting = Setting.named(name) else { preconditionFailure("there is no setting \(name)") }
        return (setting, given[name]?.value ?? setting.defaultValue, given[name]?.origin ?? name)
    }

    /// How a setting is named where it was given.
    func origin(_ name: String) -> String { find(name).origin }

    mutating func text(_ name: String) throws -> String? {
        let (setting, value, origin) = find(name)
        guard let value else { return nil }
        switch setting.kind {
        case .choice(let choices) where !choices.contains(value):
            throw Settings.Wrong(description: "\(origin) is '\(value)'; it may be \(choices.joined(separator: " or "))")
        case .yesNo:
            switch value {
            case "yes", "true", "1": return "yes"
            case "no", "false", "0": return "no"
            default: throw Settings.Wrong(description: "\(origin) is '\(value)'; it may be yes or no")
            }
        default: break
        }
        guard !value.isEmpty else { throw Settings.Wrong(description: "\(origin) is empty") }
        return value
    }

    mutating func number(_ name: String) throws -> Int64 {
        let (setting, value, origin) = find(name)
        let text = value ?? ""
        switch setting.kind {
        case .number(let range):
            guard let number = Int64(text), text.first != "+", range.contains(number) else {
                throw Settings.Wrong(
                    description:
                        "\(origin) is '\(text)'; it must be a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        case .bytes(let range):
            guard let number = Self.bytes(text), range.contains(number) else {
                throw Settings.Wrong(
                    description:
                        "\(origin) is '\(text)'; it must be a size from \(range.lowerBound) to \(range.upperBound) "
                        + "bytes, such as 512K, 16M or 1G")
            }
            return number
        case .mode:
            guard let mode = Int64(text, radix: 8), (0...0o777).contains(mode) else {
                throw Settings.Wrong(description: "\(origin) is '\(text)'; it must be a file mode such as 0660")
            }
            return mode
        default: preconditionFailure("\(name) is no number")
        }
    }

    private static func bytes(_ text: String) -> Int64? {
        var digits = text[...]
        var factor: Int64 = 1
        switch text.last {
        case "K", "k": factor = 1 << 10
        case "M", "m": factor = 1 << 20
        case "G", "g": factor = 1 << 30
        default: break
        }
        if factor > 1 { digits = digits.dropLast() }
        guard let number = Int64(digits), number >= 0 else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    mutating func address(_ name: String) throws -> Settings.Address? {
        let (_, value, origin) = find(name)
        guard let value, value != "off" else { return nil }
        guard let colon = value.lastIndex(of: ":"), let port = Int(value[value.index(after: colon)...]),
            (0...65_535).contains(port), colon > value.startIndex
        else { throw Settings.Wrong(description: "\(origin) is '\(value)'; it must be HOST:PORT or off") }
        var host = String(value[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return Settings.Address(host: host, port: port)
    }

    mutating func expectOff(_ name: String) throws {
        let (_, value, origin) = find(name)
        guard value == "off" else {
            throw Settings.Wrong(
                description:
                    "\(origin) is '\(value ?? "")', but this version of cola has no \(name) listener yet: "
                    + "it may only be off"
            )
        }
    }
}
