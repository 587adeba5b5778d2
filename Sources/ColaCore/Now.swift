/// Monotonic nanoseconds since an arbitrary start. For leases, heartbeats and deadlines: it never jumps.
package struct Instant: Identifier {
    package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }

    /// - Returns: the instant `milliseconds` later; the far future where that is beyond the range.
    package func advanced(byMilliseconds milliseconds: Int64) -> Instant {
        let (nanoseconds, tooLong) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return tooLong ? Instant(.max) : advanced(byNanoseconds: nanoseconds)
    }

    package func advanced(byNanoseconds nanoseconds: Int64) -> Instant {
        let (sum, tooLate) = rawValue.addingReportingOverflow(nanoseconds)
        return Instant(tooLate ? .max : sum)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z. For what people see and what is stored: it follows the wall clock's jumps.
package struct Timestamp: Identifier {
    package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// Both clocks, read once per turn of the loop and handed to the core, which reads none itself.
package struct Now: Hashable, Sendable {
    package var monotonic: Instant
    package var wall: Timestamp

    package init(monotonic: Instant, wall: Timestamp) {
        self.monotonic = monotonic
        self.wall = wall
    }
}
