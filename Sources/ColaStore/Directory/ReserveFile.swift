internal import Glibc

/// Disk space put aside, so that on a full disk acknowledgements can still be written, which free more.
struct ReserveFile {
    private let path: String
    private let bytes: Int

    init(path: String, bytes: Int) {
        self.path = path
        self.bytes = bytes
    }

    /// Whether the file system has given us all of it.
    var isFull: Bool {
        var status = stat()
        return stat(path, &status) == 0 && Int(status.st_size) == bytes && Int(status.st_blocks) * 512 >= bytes
    }

    /// Makes it, really allocated: a file of the right length with nothing behind it would be no reserve.
    ///
    /// - Returns: nil, or why it could not be made; there is then none at all.
    func make() -> String? {
        guard bytes > 0, !isFull else { return nil }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return systemReason(errno) }
        defer { Glibc.close(descriptor) }
        var code = ftruncate(descriptor, 0) == 0 ? 0 : errno
        if code == 0 { code = posix_fallocate(descriptor, 0, bytes) }
        guard code != 0 else { return nil }
        release()
        return systemReason(code)
    }

    /// Gives it back to the file system.
    func release() { unlink(path) }
}
