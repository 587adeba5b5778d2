/// How much memory something takes, as short as a cell of a table: in the largest unit that there is one of, 1K being
/// 1024 bytes.
enum ByteText {
    static func of(_ bytes: Int64) -> String {
        guard bytes >= 1024 else { return "\(bytes)" }
        var (tenths, unit) = (bytes / 1024 * 10 + bytes % 1024 * 10 / 1024, 0)
        while tenths >= 10_240, unit < Self.units.count - 1 {
            tenths /= 1024
            unit += 1
        }
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)\(Self.units[unit])" : "\(tenths / 10)\(Self.units[unit])"
    }

    private static let units = ["K", "M", "G", "T", "P"]
}
