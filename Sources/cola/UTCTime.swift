#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Points in time as people and scripts read them: `2026-11-22T18:04:05Z`.
///
/// Source: RFC 3339
enum UTCTime {
    /// - Parameter milliseconds: since 1970, UTC.
    static func text(milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds.quotientAndRemainder(dividingBy: 1000).quotient)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "\(milliseconds) ms" }
        let year = "\(parts.tm_year + 1900)"
        let date = [parts.tm_mon + 1, parts.tm_mday].map(twoDigits).joined(separator: "-")
        let time = [parts.tm_hour, parts.tm_min, parts.tm_sec].map(twoDigits).joined(separator: ":")
        return "\(year)-\(date)T\(time)Z"
    }

    private static func twoDigits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Milliseconds since 1970, UTC, by the clock of this machine.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
