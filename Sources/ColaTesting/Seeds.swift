internal import Glibc

/// The seeds of a property test: `COLA_SEED=N` replays one, `COLA_LONG=1` takes twenty times as many.
package enum Seeds {
    package static func of(_ count: Int) -> [UInt64] {
        if let one = value("COLA_SEED").flatMap({ UInt64($0) }) { return [one] }
        let all = value("COLA_LONG") == nil ? count : count * 20
        return (1...UInt64(max(1, all))).map { $0 }
    }

    private static func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
