package import ColaCore

extension BindingDefinition.Match {
    /// The arguments of a `queue.bind` or `exchange.bind`: what a headers exchange compares.
    ///
    /// Headers are compared as text here, so that every protocol can bind and publish: the number 1 is the text `1`.
    /// What has no such text, a table or an array, cannot be compared and is refused, unlike in RabbitMQ. With `all` and
    /// `any`, names that begin with `x-` do not count; with `all-with-x` and `any-with-x` they do.
    ///
    /// - Throws: ``Refusal``, for the channel.
    package init(_ table: FieldTable) throws(Refusal) {
        self.init()
        guard !table.isEmpty else { return }
        var isWithX = false
        switch table["x-match"] {
        case nil: break
        case .longString(let bytes)?:
            let text = String(decoding: bytes, as: UTF8.self)
            guard ["all", "any", "all-with-x", "any-with-x"].contains(text) else {
                throw Refusal(
                    "Invalid x-match field value <<\"\(text)\">>; expected all, any, all-with-x, or any-with-x")
            }
            isAny = text.hasPrefix("any")
            isWithX = text.hasSuffix("-with-x")
        case let value?:
            throw Refusal("Invalid x-match field type \(value.typeName); expected longstr")
        }
        for field in table.fields where field.name != "x-match" && (isWithX || !field.name.hasPrefix("x-")) {
            guard !headers.contains(where: { $0.name == field.name }) else { continue }
            let value = field.value.headerText.flatMap { String(validating: $0, as: UTF8.self) }
            guard value != nil || field.value == .void else {
                throw Refusal(
                    "the binding compares header '\(field.name)' with a value of type \(field.value.typeName) that is "
                        + "no text; text, numbers, truth values and times can be compared")
            }
            headers.append(.init(name: field.name, value: value))
        }
        headers.sort { $0.name < $1.name }
    }
}

extension FieldValue {
    /// How a value stands in a header of the record, for readers of all protocols; nil if it does not.
    var headerText: [UInt8]? {
        switch self {
        case .bool(let truth): Array((truth ? "true" : "false").utf8)
        case .float(let value): Array("\(value)".utf8)
        case .double(let value): Array("\(value)".utf8)
        case .decimal(let scale, let value): Array(Self.text(scale, value).utf8)
        case .longString(let bytes): bytes
        case .timestamp(let seconds): Array("\(seconds)".utf8)
        case .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64: integer.map { Array("\($0)".utf8) }
        case .array, .table, .void, .bytes: nil
        }
    }

    private static func text(_ scale: UInt8, _ value: Int32) -> String {
        var digits = "\(value.magnitude)"
        guard scale > 0 else { return "\(value)" }
        if digits.count <= Int(scale) { digits = String(repeating: "0", count: Int(scale) + 1 - digits.count) + digits }
        return (value < 0 ? "-" : "") + digits.dropLast(Int(scale)) + "." + digits.suffix(Int(scale))
    }
}
