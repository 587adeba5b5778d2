/// The name of a worker: a program that Cola runs, whatever number of processes it has.
///
/// Shape: 1 to 64 of the characters `A-Z a-z 0-9 . _ -`, the first of them no `.` and no `-`; so it is safe in paths,
/// tables and options.
package struct WorkerName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let description: String

    package init?(_ text: String) {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed),
            let first = text.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-")
        else { return nil }
        description = text
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    package static func < (left: WorkerName, right: WorkerName) -> Bool { left.description < right.description }
}
