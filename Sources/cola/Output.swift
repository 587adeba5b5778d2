#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Bytes on their way to a file descriptor, gathered so that a message costs no system call of its own.
struct Output {
    /// Whoever read the output is gone. Not an error: `cola consume | head -1` is done.
    struct BrokenPipe: Error {}

    /// The output took no more for another reason, such as a full disk.
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptor: Int32
    private(set) var pending: [UInt8] = []

    static func standard() -> Output { Output(descriptor: 1) }

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// For whoever appends many small pieces.
    mutating func append(_ write: (inout [UInt8]) -> Void) { write(&pending) }

    mutating func line(_ text: String) {
        pending.append(contentsOf: text.utf8)
        pending.append(UInt8(ascii: "\n"))
    }

    /// Returns when the kernel has everything.
    mutating func flush() throws {
        var written = 0
        defer { pending.removeAll(keepingCapacity: true) }
        while written < pending.count {
            let count = pending.withUnsafeBytes { bytes in
                write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            }
            if count >= 0 {
                written += count
            } else if errno == EAGAIN {
                var descriptors = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&descriptors, 1, 1000)
            } else if errno == EPIPE {
                throw BrokenPipe()
            } else if errno != EINTR {
                throw Failed(description: "cannot write the output: \(systemError())")
            }
        }
    }

    /// Prints lines at once.
    static func print(_ text: String) throws {
        var output = standard()
        output.line(text)
        try output.flush()
    }

    /// One line to standard error; nobody can be told if that fails.
    static func note(_ text: String) {
        var output = Output(descriptor: 2)
        output.line("cola: " + Self.printable(text))
        try? output.flush()
    }

    /// Text of a server or a user without what would move a terminal's cursor or begin a new line.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }) else {
            return text
        }
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            clean.append(scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "\u{FFFD}" : scalar)
        }
        return String(clean)
    }
}
