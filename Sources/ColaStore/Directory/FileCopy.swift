internal import Glibc

/// Copies a file aside before something is done that cannot be taken back.
enum FileCopy {
    /// Copies `source` to `target`, which does not exist, and syncs it. A source that is missing is no error.
    static func copy(_ source: String, to target: String) throws(StoreError) {
        let from = open(source, O_RDONLY | O_CLOEXEC)
        guard from >= 0 else {
            if errno == ENOENT { return }
            throw failure("open \(source)")
        }
        defer { Glibc.close(from) }
        let to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard to >= 0 else { throw failure("make \(target)") }
        defer { Glibc.close(to) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(from, &buffer, buffer.count)
            guard count >= 0 else { throw failure("read \(source)") }
            if count == 0 { break }
            var done = 0
            while done < count {
                let written = buffer.withUnsafeBytes { Glibc.write(to, $0.baseAddress! + done, count - done) }
                guard written > 0 else { throw failure("write \(target)") }
                done += written
            }
        }
        guard fsync(to) == 0 else { throw failure("sync \(target)") }
    }

    static func sync(_ path: String) throws(StoreError) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open \(path)") }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync \(path)") }
    }

    /// The first bytes of a file, at most so many.
    static func beginning(of path: String, bytes: Int) throws(StoreError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open \(path)") }
        defer { Glibc.close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: bytes)
        let count = pread(descriptor, &buffer, bytes, 0)
        guard count >= 0 else { throw failure("read \(path)") }
        return Array(buffer[..<count])
    }

    /// Writes over the first bytes of a file.
    static func overwrite(_ path: String, with bytes: ArraySlice<UInt8>) throws(StoreError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open \(path)") }
        defer { Glibc.close(descriptor) }
        let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        guard written == bytes.count else { throw failure("write \(path)") }
    }

    private static func failure(_ operation: String) -> StoreError {
        isOutOfRoom(errno)
            ? .noRoom(path: operation, reason: systemReason(errno))
            : .inputOutput(operation: operation, reason: systemReason(errno))
    }
}
