/// The bytes of one packet between broker and keeper.
///
/// Both are the same executable, so there are no versions. A packet is a kind and its fields, nothing before or
/// between.
///
/// Shape: integers are little-endian with the width of their type; a flag is a byte, 0 or 1; a text is its length in
///        bytes (`UInt32`) and UTF-8; a list is its count (`UInt32`) and its elements; what may be missing is a flag,
///        and the value if that is 1.
package enum Packet {
    /// 128 KiB. A socket with the smallest buffer that is usual holds one packet of this size.
    package static let bytesMax = 131_072

    /// The bytes are no packet of the kind that they should be.
    package struct Malformed: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }

    /// Kinds of packets; requests are below 128, events above.
    enum Kind {
        static let spawn: UInt8 = 1
        static let signal: UInt8 = 2
        static let renice: UInt8 = 3
        static let ready: UInt8 = 129
        static let started: UInt8 = 130
        static let failed: UInt8 = 131
        static let exited: UInt8 = 132
        static let swept: UInt8 = 133
        static let reniced: UInt8 = 134
    }
}
