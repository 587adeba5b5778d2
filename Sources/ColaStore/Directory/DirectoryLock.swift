internal import Glibc

/// Keeps a data directory to one process, for as long as the process lives.
///
/// `flock` goes with the process however it ends, so there is never a stale lock; the pid inside is only for the
/// message.
final class DirectoryLock: Sendable {
    private let descriptor: Int32

    init(_ directory: DataDirectory) throws(StoreError) {
        descriptor = open(directory.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw directory.refusal("open lock", errno) }
        try take(directory)
        // Without room for the pid the lock is as good; only the message of a second server is poorer.
        if ftruncate(descriptor, 0) == 0 {
            var text = "\(getpid())\n"
            _ = text.withUTF8 { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        }
    }

    /// Takes the lock without writing anything; nil if there is no file to lock.
    init?(withoutChanging directory: DataDirectory) throws(StoreError) {
        descriptor = open(directory.lock, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw directory.refusal("open lock", errno)
        }
        try take(directory)
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    private func take(_ directory: DataDirectory) throws(StoreError) {
        guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
        let number = errno
        guard number == EWOULDBLOCK else { throw directory.refusal("lock it", number) }
        throw .inUse(path: directory.path, by: owner())
    }

    private func owner() -> String {
        var buffer = [UInt8](repeating: 0, count: 20)
        let count = max(0, pread(descriptor, &buffer, buffer.count, 0))
        let digits = buffer[..<count].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        // The one who looks at a directory leaves an older pid in the file.
        guard let pid = Int32(String(decoding: digits, as: UTF8.self)), pid > 0, kill(pid, 0) == 0 || errno == EPERM
        else {
            return "another process"
        }
        return "process \(pid)"
    }
}
