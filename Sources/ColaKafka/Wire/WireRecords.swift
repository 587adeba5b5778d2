/// The records of a partition as they travel: record batches one after the other, which this layer does not look into.
///
/// What is read is one piece, copied once out of what was received. What is written may be many, so that batches leave
/// as they are kept, without being joined before. Records that are null are no `WireRecords`: where there may be none,
/// the field is optional.
package struct WireRecords: Sendable {
    package var pieces: [ArraySlice<UInt8>]

    package init(pieces: [ArraySlice<UInt8>] = []) {
        self.pieces = pieces
    }

    package init(_ bytes: [UInt8]) {
        pieces = bytes.isEmpty ? [] : [bytes[...]]
    }

    /// How many bytes all pieces have together.
    package var byteCount: Int { pieces.reduce(0) { $0 + $1.count } }

    package var isEmpty: Bool { pieces.allSatisfy(\.isEmpty) }
}

extension WireRecords: Equatable {
    /// Whether they are the same bytes, however these are cut into pieces.
    package static func == (one: WireRecords, other: WireRecords) -> Bool {
        one.byteCount == other.byteCount && one.pieces.joined().elementsEqual(other.pieces.joined())
    }
}
