/// Which records of a topic a reader is sent: those that their publishers have given one of certain values.
///
/// It looks at each record, so none is sent that does not match. RabbitMQ looks at chunks and leaves the rest to the
/// client.
///
/// Source: RabbitMQ, "Streams", section "Filtering"
package struct StreamFilter: Equatable, Sendable {
    /// The header by which a publisher gives a record its value.
    package static let header = "x-stream-filter-value"

    /// In order.
    package let values: [[UInt8]]
    /// Whether records without a value are sent as well.
    package var matchesUnfiltered: Bool

    package init(values: [[UInt8]], matchesUnfiltered: Bool = false) {
        self.values = values.sorted { $0.lexicographicallyPrecedes($1) }
        self.matchesUnfiltered = matchesUnfiltered
    }

    /// - Parameter headers: of a record, as they are stored. What is malformed ends the look at them.
    func matches(_ headers: UnsafeRawBufferPointer) -> Bool {
        guard let value = Self.value(in: headers) else { return matchesUnfiltered }
        // A client may name thousands.
        var range = values.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if values[middle].lexicographicallyPrecedes(value) {
                range = (middle + 1)..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        return range.lowerBound < values.count && values[range.lowerBound].elementsEqual(value)
    }

    /// Where a name stands twice, the first counts. Nothing is allocated, as each record passes through here.
    private static func value(in headers: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
        var position = 0
        while position < headers.count {
            guard let name = part(of: headers, at: &position), let name,
                let value = part(of: headers, at: &position)
            else { return nil }
            if name.count == header.utf8.count, headers[name].elementsEqual(header.utf8) {
                return value.map { headers[$0] }
            }
        }
        return nil
    }

    /// - Returns: nil if it is cut off, and nil inside where it is null.
    private static func part(of headers: UnsafeRawBufferPointer, at position: inout Int) -> Range<Int>?? {
        guard let length = Varint.read(headers, at: &position), length >= -1,
            length <= Int64(headers.count - position)
        else { return nil }
        guard length >= 0 else { return .some(nil) }
        defer { position += Int(length) }
        return position..<position + Int(length)
    }
}
