import ArgumentParser
import ColaCore
import ColaWorkers

/// Since when lines are wanted, as it is typed: `10min`, `1h 30min`, `2026-11-22T18:00:00Z`.
struct LogStart: Sendable {
    /// Since 1970, UTC.
    let milliseconds: Int64

    init(_ text: String) throws {
        if let ago = Quantity.milliseconds(text) {
            milliseconds = max(0, UTCTime.now - ago)
            return
        }
        // With or without a fraction of a second.
        let whole = text.utf8.count == 20 && text.hasSuffix("Z") ? text.dropLast() + ".000Z" : text[...]
        guard let time = UTCText.time(whole.utf8), time.rawValue >= 0 else {
            throw ValidationError(
                "'\(text)' is neither how long ago, such as 30s, 10min, 2h or 1d, nor a time such as "
                    + "2026-11-22T18:00:00Z")
        }
        milliseconds = time.rawValue
    }
}
