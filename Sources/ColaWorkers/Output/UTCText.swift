package import ColaCore

/// Points in time as text that sorts: `2026-11-23T04:22:11.123Z`.
///
/// Source: RFC 3339; the calendar by Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
package enum UTCText {
    package static let bytes = 24

    package static func of(_ time: Timestamp) -> String {
        // Years of four digits: from 0000 to 9999.
        let milliseconds = min(max(time.rawValue, -62_167_219_200_000), 253_402_300_799_999)
        let (days, rest) = floored(milliseconds, 86_400_000)
        let (era, day) = floored(days + 719_468, 146_097)
        let yearOfEra = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfYear - (153 * shifted + 2) / 5 + 1, 2))"
        let seconds = rest / 1_000
        let clock = "\(pad(seconds / 3_600, 2)):\(pad(seconds / 60 % 60, 2)):\(pad(seconds % 60, 2))"
        return "\(date)T\(clock).\(pad(rest % 1_000, 3))Z"
    }

    /// - Returns: nil if it is not exactly of this form.
    package static func time(_ text: some Collection<UInt8>) -> Timestamp? {
        let bytes = Array(text)
        guard bytes.count == Self.bytes else { return nil }
        for (index, mark) in zip([4, 7, 10, 13, 16, 19, 23], "--T::.Z".utf8) where bytes[index] != mark { return nil }
        func number(_ start: Int, _ digits: Int, in range: ClosedRange<Int64>) -> Int64? {
            var number: Int64 = 0
            for byte in bytes[start..<(start + digits)] {
                guard (0x30...0x39).contains(byte) else { return nil }
                number = number * 10 + Int64(byte - 0x30)
            }
            return range.contains(number) ? number : nil
        }
        guard let year = number(0, 4, in: 0...9_999), let month = number(5, 2, in: 1...12),
            let day = number(8, 2, in: 1...31), let hour = number(11, 2, in: 0...23),
            let minute = number(14, 2, in: 0...59), let second = number(17, 2, in: 0...59),
            let millisecond = number(20, 3, in: 0...999)
        else { return nil }
        let (era, yearOfEra) = floored(month <= 2 ? year - 1 : year, 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return Timestamp((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + millisecond)
    }

    private static func floored(_ number: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func pad(_ number: Int64, _ digits: Int) -> String {
        let text = "\(number)"
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
