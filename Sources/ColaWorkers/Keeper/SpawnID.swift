/// One process that the keeper was asked for, from the request to the end of the last process below it.
///
/// Given out once in the life of the broker's process and never again, so a late report of an old process is never
/// taken for one of a new process. An instance of a worker has one after the other.
package struct SpawnID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: SpawnID, right: SpawnID) -> Bool { left.rawValue < right.rawValue }

    package var description: String { "\(rawValue)" }
}
