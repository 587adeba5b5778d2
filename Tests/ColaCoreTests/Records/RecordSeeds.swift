import Foundation

/// The seeds of the record tests' properties: fixed, so that a run can be repeated.
///
/// `COLA_SEED=N` runs one seed alone, to replay a failure; `COLA_LONG=1` runs fifty times as many.
enum RecordSeeds {
    static func first(_ count: UInt64) -> [UInt64] {
        let environment = ProcessInfo.processInfo.environment
        if let only = environment["COLA_SEED"].flatMap(UInt64.init) { return [only] }
        return Array(1...(environment["COLA_LONG"] == "1" ? count * 50 : count))
    }
}
