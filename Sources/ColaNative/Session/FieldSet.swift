/// Which fields of a line were asked for. Nearly every line has fewer than 64, and these are bits of one number.
struct FieldSet {
    private(set) var count = 0
    private var low: UInt64 = 0
    private var high: Set<Int> = []

    func contains(_ field: Int) -> Bool {
        field < 64 ? low & (1 << UInt64(field)) != 0 : high.contains(field)
    }

    mutating func insert(_ field: Int) {
        guard !contains(field) else { return }
        count += 1
        if field < 64 { low |= 1 << UInt64(field) } else { high.insert(field) }
    }
}
