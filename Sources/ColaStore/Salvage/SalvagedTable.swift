/// Copies the rows of one table that can be read.
///
/// SQLite stops at the first page that it cannot read, so a table is read from both ends. What lies between is read in
/// halves and halves of halves if rows are numbered, and log by log if they belong to logs.
final class SalvagedTable {
    private(set) var rows = 0
    /// What could not be read, in sentences.
    private(set) var losses: [String] = []

    private let name: String
    private let source: Connection
    private let target: Connection
    /// Those that both have, those of the primary key first.
    private let columns: [String]
    private let keys: [String]
    /// Whether the only key is the number of the row.
    private let isNumbered: Bool
    /// Nil: the table cannot be found.
    private let insert: Statement?
    private var refused = 0
    private var isTorn = false

    /// How often a gap is cut in two. A probe that fails takes some microseconds.
    private static let probesMax = 1 << 17
    /// How far numbers are looked for behind a gap that nothing is known of.
    private static let reach: Int64 = 1 << 16

    init(_ name: String, from source: Connection, to target: Connection) throws {
        self.name = name
        self.source = source
        self.target = target
        let found = Set(try Self.reading { try source.texts("SELECT name FROM pragma_table_info('\(name)')") } ?? [])
        let wanted = try target.texts("SELECT name FROM pragma_table_info('\(name)') ORDER BY cid")
        let keys = try target.texts("SELECT name FROM pragma_table_info('\(name)') WHERE pk > 0 ORDER BY pk")
        let isNumber = "SELECT count(*) FROM pragma_table_info('\(name)') WHERE pk = 1 AND type = 'INTEGER'"
        isNumbered = try keys.count == 1 && target.integer(isNumber) == 1
        columns = keys + wanted.filter { found.contains($0) && !keys.contains($0) }
        let marks = columns.map { _ in "?" }.joined(separator: ",")
        insert =
            found.isSuperset(of: keys)
            ? try target.prepare("INSERT INTO \(name) (\(columns.joined(separator: ","))) VALUES (\(marks))") : nil
        self.keys = keys
    }

    func run() throws {
        // What a new database begins with need not be in this one.
        try target.execute("DELETE FROM \(name)")
        guard let insert else {
            losses = ["the table \(name) is gone"]
            return
        }
        if isNumbered { try readNumbered(insert) } else { try readOrdered(insert) }
        if isTorn { losses.append("the table \(name) could not be read as a whole; \(rows) rows of it were") }
        if refused > 0 { losses.append("\(refused) rows of the table \(name) were read and cannot be right") }
    }

    // MARK: Numbered rows

    private func readNumbered(_ insert: Statement) throws {
        let between = "NOT INDEXED WHERE \(keys[0]) BETWEEN ?1 AND ?2 ORDER BY \(keys[0])"
        guard let up = try select(between), let down = try select(between + " DESC") else {
            isTorn = true
            return
        }
        // Wide gaps first, so that what is whole between them is found soon.
        var gaps = [Int64.min...Int64.max]
        var next = 0
        while next < gaps.count, next < Self.probesMax {
            defer { next += 1 }
            guard var gap = try read(gaps[next], up, down, insert) else { continue }
            if next == 0 {
                let lower = max(0, gap.lowerBound)
                gap = lower...max(lower, min(gap.upperBound, try numberMax(from: lower)))
            }
            guard gap.lowerBound < gap.upperBound else { continue }
            let middle = gap.lowerBound + (gap.upperBound - gap.lowerBound) / 2
            gaps += [gap.lowerBound...middle, middle + 1...gap.upperBound]
        }
    }

    /// Reads the rows of a gap from both its ends.
    ///
    /// - Returns: what is left between; nil: nothing.
    private func read(
        _ gap: ClosedRange<Int64>, _ up: Statement, _ down: Statement, _ insert: Statement
    ) throws -> ClosedRange<Int64>? {
        var (lower, upper) = (gap.lowerBound, gap.upperBound)
        for (select, isUp) in [(up, true), (down, false)] {
            select.bind(1, lower)
            select.bind(2, upper)
            var last: Int64?
            if try copy(select, insert, { last = $0.integer(0) }) { return nil }
            guard let last else { continue }
            // The number of the last row that could be read is no longer in the gap.
            guard last != (isUp ? upper : lower) else { return nil }
            if isUp { lower = last + 1 } else { upper = last - 1 }
        }
        return lower...upper
    }

    /// The highest number that there can be, as an index of the table knows it.
    private func numberMax(from first: Int64) throws -> Int64 {
        let indices = ["chunk": "chunk_by_log", "schedule": "schedule_by_due"]
        let found = try indices[name].flatMap { index in
            try Self.reading {
                try source.integer("SELECT max(id) FROM (SELECT id FROM \(name) INDEXED BY \(index))")
            }
        }
        return found ?? first + Self.reach
    }

    // MARK: Other rows

    private func readOrdered(_ insert: Statement) throws {
        let list = keys.joined(separator: ",")
        let reversed = keys.map { "\($0) DESC" }.joined(separator: ",")
        let isWhole = try select("ORDER BY \(list)").map { try copy($0, insert) } ?? false
        if isWhole { return }
        isTorn = true
        if let down = try select("ORDER BY \(reversed)") { _ = try copy(down, insert) }
        guard keys[0] == "log" else { return }
        for order in [list, reversed] {
            guard let select = try select("WHERE log = ?1 ORDER BY \(order)") else { continue }
            for log in try target.texts("SELECT log FROM logstate") {
                select.bind(1, Int64(log) ?? 0)
                _ = try copy(select, insert)
            }
        }
    }

    // MARK: Reading

    private func select(_ rest: String) throws -> Statement? {
        try Self.reading { try source.prepare("SELECT \(columns.joined(separator: ",")) FROM \(name) \(rest)") }
    }

    /// - Parameter body: is called for each row that could be read.
    /// - Returns: whether that were all.
    private func copy(
        _ select: Statement, _ insert: Statement, _ body: (Statement) -> Void = { _ in }
    ) throws -> Bool {
        defer { select.reset() }
        while let isRow = try Self.reading({ try select.step() }) {
            guard isRow else { return true }
            body(select)
            for index in columns.indices { insert.bind(Int32(index + 1), Int32(index), of: select) }
            do {
                try insert.runToEnd()
                rows += 1
            } catch let failure as SQLiteFailure where failure.kind == .constraint {
                // Without numbers a row may have been read from the other end already.
                if isNumbered || !isTorn { refused += 1 }
            }
        }
        isTorn = true
        return false
    }

    /// - Returns: nil if what is read is damaged.
    private static func reading<Result>(_ body: () throws -> Result) throws -> Result? {
        do {
            return try body()
        } catch let failure as SQLiteFailure where failure.kind == .damaged || failure.isOfSchema {
            return nil
        }
    }
}
