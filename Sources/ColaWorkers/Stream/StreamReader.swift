/// Cuts what a worker writes to its standard output into answers.
///
/// It keeps no more than one line, or one result, that is not whole yet. After it has thrown, nothing that follows has
/// a meaning.
package struct StreamReader: Sendable {
    /// Reads one line without its end.
    package typealias Parser = @Sendable (UnsafeRawBufferPointer) throws(StreamDefect) -> StreamLine

    private let parse: Parser
    private let bytesMax: Int
    private var rest: [UInt8] = []
    /// Up to where in `rest` there is no line feed.
    private var searched = 0
    /// Whose result is being read, and how many bytes it has.
    private var pending: (delivery: UInt64, bytes: Int)?

    /// - Parameters:
    ///   - bodyBytesMax: of a message. A result that has more is read all the same, up to about twice as much: what
    ///     becomes of its message is for others to say.
    package init(bodyBytesMax: Int, _ parse: @escaping Parser) {
        bytesMax = 2 * bodyBytesMax + Self.lineBytesMax
        self.parse = parse
    }

    /// What an answer may take beside its result. Bytes.
    package static let lineBytesMax = 65_536

    /// What was received of an answer that is not whole yet. Bytes.
    package var restBytes: Int { rest.count }

    /// - Throws: what is wrong with the first answer that is none; those before it were taken.
    package mutating func receive(
        _ bytes: UnsafeRawBufferPointer, _ take: (StreamLine) throws(StreamDefect) -> Void
    ) throws(StreamDefect) {
        guard rest.isEmpty else {
            rest.append(contentsOf: bytes)
            var whole: [UInt8] = []
            swap(&whole, &rest)
            let count = try read(whole, take)
            if count > 0 { whole.removeFirst(count) }
            rest = whole
            return
        }
        let used = try read(bytes, take)
        rest.append(contentsOf: bytes[used...])
    }

    /// It writes no more: what has not ended is a line as well, if it is a whole one.
    package mutating func end(_ take: (StreamLine) throws(StreamDefect) -> Void) throws(StreamDefect) {
        guard !rest.isEmpty || pending != nil else { return }
        guard pending == nil else { throw StreamDefect("it ended in the middle of a result") }
        rest.append(0x0A)
        try receive(UnsafeRawBufferPointer(start: nil, count: 0), take)
    }

    private mutating func read(
        _ whole: [UInt8], _ take: (StreamLine) throws(StreamDefect) -> Void
    ) throws(StreamDefect) -> Int {
        // A closure that throws a type of its own may not pass through every version of the library.
        var used = 0
        let problem: StreamDefect? = whole.withUnsafeBytes { bytes in
            do throws(StreamDefect) {
                used = try read(bytes, take)
                return nil
            } catch {
                return error
            }
        }
        if let problem { throw problem }
        return used
    }

    /// - Returns: how many bytes belong to answers that are whole.
    private mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ take: (StreamLine) throws(StreamDefect) -> Void
    ) throws(StreamDefect) -> Int {
        var position = 0
        while true {
            if let (delivery, count) = pending {
                guard bytes.count - position > count else { return position }
                let end = position + count
                guard bytes[end] == 0x0A else {
                    throw StreamDefect("the result of delivery \(delivery) has no line feed behind its \(count) bytes")
                }
                pending = nil
                try take(.answer(StreamAnswer(.result(Array(bytes[position..<end])), delivery...delivery)))
                position = end + 1
            }
            let from = max(position, searched)
            searched = 0
            guard let lineFeed = bytes[from...].firstIndex(of: 0x0A) else {
                let length = bytes.count - position
                guard length <= bytesMax else {
                    throw StreamDefect("it wrote a line of more than \(bytesMax) bytes (twice body-max, and 64 KiB)")
                }
                searched = length
                return position
            }
            try takeLine(UnsafeRawBufferPointer(rebasing: bytes[position..<lineFeed]), take)
            position = lineFeed + 1
        }
    }

    private mutating func takeLine(
        _ line: UnsafeRawBufferPointer, _ take: (StreamLine) throws(StreamDefect) -> Void
    ) throws(StreamDefect) {
        let hasReturn = line.last == 0x0D
        let line = hasReturn ? UnsafeRawBufferPointer(rebasing: line.dropLast()) : line
        guard !line.isEmpty else { return }
        let parsed = try parse(line)
        guard case .result(let delivery, let bytes) = parsed else { return try take(parsed) }
        guard bytes <= bytesMax else {
            throw StreamDefect("the result of delivery \(delivery) has \(bytes) bytes; \(bytesMax) are the most")
        }
        pending = (delivery, bytes)
    }
}
