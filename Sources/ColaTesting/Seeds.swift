internal import Glibc

/// The seeds of a property test: `COLA_SEED=N` replays one, `COLA_LONG=1` takes many more, twenty times as many if
/// nothing else is said. `COLA_SEEDS=A-B` says which.
package enum Seeds {
    package static func of(_ count: Int, long: Int? = nil) -> [UInt64] {
        if let one = value("COLA_SEED").flatMap({ UInt64($0) }) { return [one] }
        if let ends = value("COLA_SEEDS")?.split(separator: "-").compactMap({ UInt64($0) }), ends.count == 2,
            ends[0] <= ends[1]
        {
            return Array(ends[0]...ends[1])
        }
        let all = value("COLA_LONG") == nil ? count : long ?? count * 20
        return (1...UInt64(max(1, all))).map { $0 }
    }

    /// The same seeds in blocks, for tests of which each seed takes little.
    package static func blocks(of count: Int, long: Int, size: Int = 25) -> [ClosedRange<UInt64>] {
        let all = of(count, long: long)
        return stride(from: 0, to: all.count, by: size).map { all[$0]...all[min($0 + size, all.count) - 1] }
    }

    package static var isLong: Bool { value("COLA_LONG") != nil }

    /// Whether one seed is to be replayed, in full view.
    package static var isReplay: Bool { value("COLA_SEED") != nil }

    private static func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
