import ArgumentParser
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Messages to publish, one after the other: arguments, files, or standard input, whole or cut up.
///
/// Input is read in pieces as messages are asked for, so neither a large file nor an endless pipe is kept in memory.
struct MessageSource {
    enum Cut: Sendable {
        /// Each file is one message, as it is.
        case none
        /// Each line, without its line feed.
        case lines
        /// Each run of lines between blank lines, joined by line feeds. A line of spaces, tabs and returns is blank.
        case paragraphs
    }

    enum Input: Sendable {
        case arguments([String])
        /// Paths; `-` is standard input.
        case files([String])
    }

    private let cut: Cut
    private let messageBytesMax: Int
    private var arguments: ArraySlice<String> = []
    private var paths: ArraySlice<String> = []
    private var file: Int32?
    private var path = ""
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    private var hasGivenWhole = false
    /// Bytes read from files so far, for the progress bar.
    private(set) var bytesRead = 0

    init(_ input: Input, cut: Cut, messageBytesMax: Int) {
        self.cut = cut
        self.messageBytesMax = messageBytesMax
        switch input {
        case .arguments(let bodies): arguments = bodies[...]
        case .files(let files): paths = files[...]
        }
    }

    /// How many bytes the files hold together; nil if one is not a regular file.
    static func size(of paths: [String]) -> Int? {
        var total = 0
        for path in paths {
            var status = stat()
            guard path != "-", stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            total += Int(status.st_size)
        }
        return total
    }

    /// A misspelt name is said before the files in front of it are published.
    static func checkFiles(_ paths: [String]) throws {
        for path in paths where path != "-" && access(path, R_OK) != 0 { throw cannotOpen(path) }
    }

    private static func cannotOpen(_ path: String) -> Failure {
        Failure(.noInput, "cannot open '\(path)': \(systemError()); name a file that exists and may be read")
    }

    mutating func next() throws -> ByteBuffer? {
        if let argument = arguments.popFirst() { return try checked(ByteBuffer(string: argument)) }
        while true {
            if file == nil {
                guard let next = paths.popFirst() else { return nil }
                try open(next)
            }
            switch cut {
            case .none: if let message = try whole() { return message }
            case .lines: if let line = try line() { return try checked(ByteBuffer(bytes: line)) }
            case .paragraphs: if let paragraph = try paragraph() { return try checked(paragraph) }
            }
            closeFile()
        }
    }

    /// Whether the next message can be had without waiting for input.
    var isBuffered: Bool { !arguments.isEmpty || position < buffer.count }

    private mutating func whole() throws -> ByteBuffer? {
        guard !hasGivenWhole else { return nil }
        hasGivenWhole = true
        while try fill() {
            // Cut short here, a file without end is an error and not the end of the memory.
            if buffer.count > messageBytesMax { return try checked(ByteBuffer(bytes: buffer)) }
        }
        return ByteBuffer(bytes: buffer)
    }

    private mutating func paragraph() throws -> ByteBuffer? {
        var text = ByteBuffer()
        while let line = try line() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
                if text.readableBytes > 0 { return text }
                continue
            }
            if text.readableBytes > 0 { text.writeInteger(UInt8(ascii: "\n")) }
            text.writeBytes(line)
            if text.readableBytes > messageBytesMax { return text }
        }
        return text.readableBytes > 0 ? text : nil
    }

    private mutating func line() throws -> ArraySlice<UInt8>? {
        var searched = position
        while true {
            if let lineFeed = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = lineFeed + 1 }
                return buffer[position..<lineFeed]
            }
            let length = buffer.count - position
            guard length <= messageBytesMax else { throw tooLarge(length) }
            let isMore = try fill()
            searched = position + length
            if !isMore {
                defer { position = buffer.count }
                return length > 0 ? buffer[position...] : nil
            }
        }
    }

    /// Reads more into the buffer, whose taken part is dropped; false at the end of the file.
    private mutating func fill() throws -> Bool {
        guard let file, !isAtEnd else { return false }
        buffer.removeFirst(position)
        position = 0
        let size = 65_536
        let start = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: size))
        var count: Int
        repeat {
            count = buffer.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map { read(file, $0 + start, size) } ?? 0
            }
        } while count < 0 && errno == EINTR
        buffer.removeLast(size - max(0, count))
        guard count >= 0 else {
            throw Failure(.noInput, "cannot read \(path): \(systemError()); name a file that can be read")
        }
        bytesRead += count
        isAtEnd = count == 0
        return count > 0
    }

    private mutating func open(_ path: String) throws {
        self.path = path == "-" ? "standard input" : "'\(path)'"
        let descriptor = path == "-" ? 0 : openForReading(path)
        guard descriptor >= 0 else { throw Self.cannotOpen(path) }
        file = descriptor
        buffer = []
        position = 0
        isAtEnd = false
        hasGivenWhole = false
    }

    private mutating func closeFile() {
        if let file, file != 0 { close(file) }
        file = nil
    }

    private func checked(_ message: ByteBuffer) throws -> ByteBuffer {
        guard message.readableBytes <= messageBytesMax else { throw tooLarge(message.readableBytes) }
        return message
    }

    private func tooLarge(_ bytes: Int) -> Failure {
        Failure(
            .refused,
            "a message of \(path.isEmpty ? "the arguments" : path) has \(bytes) bytes or more; the broker takes "
                + "\(messageBytesMax) (its setting body-max)"
                + (cut == .none ? "; cut the input with --each-line or --paragraphs" : ""))
    }
}

/// `open` is variadic, and a method of the source has its name.
private func openForReading(_ path: String) -> Int32 { open(path, O_RDONLY | O_CLOEXEC) }
