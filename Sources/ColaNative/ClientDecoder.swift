package import NIOCore

/// Bytes from a server, in pieces of any size, to ``ServerLine``s. It does no I/O and keeps no time.
///
/// A body is a slice of the bytes that were fed, not a copy, if it came in one piece with its line.
///
/// ```
/// decoder.feed(bytes)
/// while let line = try decoder.next() { … }
/// ```
package struct ClientDecoder: Sendable {
    /// What a server sent is not of the protocol. Nothing after it can be understood.
    package struct Malformed: Error, Equatable, Sendable {
        package let reason: String
    }

    private enum Awaited: Sendable {
        case line
        /// The line is read; its body of so many bytes is not all there.
        case body(ServerLine, size: Int)
        case failed(Malformed)
    }

    private let lineBytesMax: Int
    private let bodyBytesMax: Int
    private var bytes = ByteBuffer()
    /// How many of the readable bytes are known to hold no LF.
    private var searched = 0
    /// Whether slices of `bytes` were given away, so that appending to it would copy all of it.
    private var isShared = false
    private var awaited = Awaited.line
    private var scanner = LineScanner()

    package init(lineBytesMax: Int = 1 << 20, bodyBytesMax: Int = 1 << 30) {
        self.lineBytesMax = lineBytesMax
        self.bodyBytesMax = bodyBytesMax
    }

    package mutating func feed(_ piece: ByteBuffer) {
        if bytes.readableBytes == 0 {
            bytes = piece
        } else if isShared {
            var joined = ByteBufferAllocator().buffer(capacity: bytes.readableBytes + piece.readableBytes)
            joined.writeImmutableBuffer(bytes)
            joined.writeImmutableBuffer(piece)
            bytes = joined
        } else {
            bytes.discardReadBytes()
            bytes.writeImmutableBuffer(piece)
        }
        isShared = false
    }

    /// The next line that is complete with its body, or nil until more bytes come.
    package mutating func next() throws(Malformed) -> ServerLine? {
        do {
            return try advance()
        } catch {
            awaited = .failed(error)
            throw error
        }
    }

    private mutating func advance() throws(Malformed) -> ServerLine? {
        while true {
            switch awaited {
            case .failed(let error): throw error
            case .body(let line, let size): return try takeBody(size).map { complete(line, with: $0) }
            case .line:
                guard let (line, size) = try takeLine() else { return nil }
                guard let line else { continue }
                guard let size else { return line }
                awaited = .body(line, size: size)
            }
        }
    }

    private mutating func takeBody(_ size: Int) throws(Malformed) -> ByteBuffer? {
        guard bytes.readableBytes > size else { return nil }
        guard let body = bytes.readSlice(length: size), bytes.readInteger(as: UInt8.self) == UInt8(ascii: "\n") else {
            throw Malformed(reason: "there is no LF where a body of \(size) bytes should end")
        }
        isShared = true
        awaited = .line
        return body
    }

    private func complete(_ line: ServerLine, with body: ByteBuffer) -> ServerLine {
        switch line {
        case .message(var arrival):
            arrival.body = body
            return .message(arrival)
        case .ok(var answer):
            answer.body = body
            return .ok(answer)
        default: return line
        }
    }

    /// One line and the size of the body that follows it; nil for the line if it was empty; nil if there is none yet.
    private mutating func takeLine() throws(Malformed) -> (line: ServerLine?, bodySize: Int?)? {
        let (bytes, searched, limit) = (self.bytes, self.searched, lineBytesMax)
        var parsed: ParsedLine?
        let found = try bytes.withUnsafeReadableBytes { raw throws(Malformed) -> LineScanner.Line in
            let line = LineScanner.findLine(in: raw, from: 0, searched: searched, limit: limit)
            if case .found(let end, _) = line, end > 0 {
                parsed = try ServerLine.parse(raw, to: end, with: &scanner)
            }
            return line
        }
        switch found {
        case .tooLong: throw Malformed(reason: "a line has no end within \(limit) bytes")
        case .incomplete:
            self.searched = bytes.readableBytes
            return nil
        case .found(_, let next):
            self.searched = 0
            self.bytes.moveReaderIndex(forwardBy: next)
        }
        guard let parsed else { return (nil, nil) }
        guard let size = parsed.bodySize else { return (parsed.line, nil) }
        guard size <= Int64(bodyBytesMax) else {
            throw Malformed(reason: "a body of \(size) bytes is announced; the limit is \(bodyBytesMax)")
        }
        return (parsed.line, Int(size))
    }
}
