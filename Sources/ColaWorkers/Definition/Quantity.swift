/// Durations and sizes as people write them.
package enum Quantity {
    /// The longest duration there is: a hundred years. Milliseconds.
    package static let millisecondsMost: Int64 = 3_155_760_000_000

    private static let durations: [(names: [String], milliseconds: Int64)] = [
        (["ms"], 1), (["s", "sec"], 1_000), (["min", "m"], 60_000), (["h"], 3_600_000), (["d"], 86_400_000),
    ]

    private static let sizes: [(names: [String], bytes: Int64)] = [
        (["t", "tib"], 1 << 40), (["g", "gib"], 1 << 30), (["m", "mib"], 1 << 20), (["k", "kib"], 1 << 10), (["b"], 1),
    ]

    /// `500ms`, `30s`, `5 min`, `1h 30m`, `2d`; `0` alone needs no unit.
    ///
    /// - Returns: milliseconds; nil if it is no duration, or more than a hundred years.
    package static func milliseconds(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        var rest = text[...]
        var sum: Int64 = 0
        repeat {
            guard let (number, unit) = take(from: &rest),
                let factor = durations.first(where: { $0.names.contains(unit) })?.milliseconds
            else { return nil }
            let (part, isTooMuch) = number.multipliedReportingOverflow(by: factor)
            let (total, isOver) = sum.addingReportingOverflow(part)
            guard !isTooMuch, !isOver, total <= millisecondsMost else { return nil }
            sum = total
        } while !rest.isEmpty
        return sum
    }

    /// `4096`, `512K`, `512MiB`, `2 G`: powers of 1024, in either case.
    ///
    /// - Returns: bytes; nil if it is no size.
    package static func bytes(_ text: String) -> Int64? {
        var rest = text[...]
        guard let (number, unit) = take(from: &rest), rest.isEmpty else { return nil }
        guard !unit.isEmpty else { return number }
        guard let factor = sizes.first(where: { $0.names.contains(unit.lowercased()) })?.bytes else { return nil }
        let (product, isOver) = number.multipliedReportingOverflow(by: factor)
        return isOver ? nil : product
    }

    /// As ``milliseconds(_:)`` reads it: in the largest unit that leaves no rest.
    package static func text(milliseconds: Int64) -> String {
        guard milliseconds != 0 else { return "0" }
        let unit = durations.last { milliseconds % $0.milliseconds == 0 } ?? durations[0]
        return "\(milliseconds / unit.milliseconds)" + (unit.names[0] == "min" ? " min" : unit.names[0])
    }

    /// As ``bytes(_:)`` reads it.
    package static func text(bytes: Int64) -> String {
        guard bytes != 0, let unit = sizes.first(where: { bytes % $0.bytes == 0 }), unit.bytes > 1 else {
            return "\(bytes)"
        }
        return "\(bytes / unit.bytes)" + ["t": "TiB", "g": "GiB", "m": "MiB", "k": "KiB"][unit.names[0], default: ""]
    }

    /// Digits, then letters, with blanks around the letters.
    private static func take(from rest: inout Substring) -> (number: Int64, unit: String)? {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits) else { return nil }
        rest = rest.dropFirst(digits.count).drop { $0 == " " }
        let unit = rest.prefix { $0.isASCII && $0.isLetter }
        rest = rest.dropFirst(unit.count).drop { $0 == " " }
        return (number, String(unit))
    }
}
