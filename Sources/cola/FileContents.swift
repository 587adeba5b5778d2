#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Whole files, read and written by the C library: `FileHandle` would bring all of Foundation into the program.
enum FileContents {
    /// All of it.
    ///
    /// - Parameter path: `-` is standard input.
    /// - Throws: ``Unreadable``.
    static func read(_ path: String) throws(Unreadable) -> [UInt8] {
        if path == "-" { return try readAll(STDIN_FILENO) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Unreadable() }
        defer { close(descriptor) }
        return try readAll(descriptor)
    }

    /// Puts a file there that nobody but its owner may read.
    static func writePrivately(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw unwritable(path) }
        var text = text
        let isWritten = fchmod(descriptor, 0o600) == 0 && text.withUTF8 { writeAll($0, descriptor) }
        // Some file systems say only here that there was no room.
        guard close(descriptor) == 0, isWritten else { throw unwritable(path) }
    }

    /// Why a file cannot be read, as the system says it.
    struct Unreadable: Error {
        var code = errno
        var isMissing: Bool { code == ENOENT }
        var reason: String { String(cString: strerror(code)) }
    }

    private static func unwritable(_ path: String) -> Failure {
        Failure(.inputOutput, "\(path) cannot be written: \(systemError())")
    }

    private static func readAll(_ descriptor: Int32) throws(Unreadable) -> [UInt8] {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = readSome(descriptor, &part)
            if count == 0 { return bytes }
            if count > 0 {
                bytes.append(contentsOf: part[..<count])
            } else if errno != EINTR {
                throw Unreadable()
            }
        }
    }

    private static func writeAll(_ bytes: UnsafeBufferPointer<UInt8>, _ descriptor: Int32) -> Bool {
        var rest = UnsafeRawBufferPointer(bytes)
        while !rest.isEmpty {
            let count = write(descriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}

/// `read` has the name of a method above.
private func readSome(_ descriptor: Int32, _ part: inout [UInt8]) -> Int { read(descriptor, &part, part.count) }
