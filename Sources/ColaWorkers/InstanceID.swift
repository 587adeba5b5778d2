/// One place of a worker, which at most one process has at any time. Counted from 1; never given out twice while the
/// server runs.
package struct InstanceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package var description: String { "\(rawValue)" }

    package static func < (left: InstanceID, right: InstanceID) -> Bool { left.rawValue < right.rawValue }
}
