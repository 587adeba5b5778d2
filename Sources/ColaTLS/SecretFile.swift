#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Reads small files, and looks at who else may read them.
enum SecretFile {
    /// More than any chain of certificates has. Bytes.
    private static let bytesMax = 4 << 20

    /// - Parameter isSecret: refuse it if others than its owner and its group may do anything with it, or its group
    ///   may write it. What is looked at is what is read, whatever the name means a moment later.
    static func read(_ path: String, setting: String, isSecret: Bool) throws(TLSError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let reason = errno
            throw TLSError(
                kind: reason == EACCES ? .notPermitted : .wrong,
                description: "cannot read \(path) (\(setting)): \(String(cString: strerror(reason)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw TLSError(kind: .wrong, description: "\(path) (\(setting)) is no file; give the path of a PEM file")
        }
        if isSecret, status.st_mode & 0o027 != 0 {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw TLSError(
                kind: .notPermitted,
                description:
                    "\(path) (\(setting)) is a private key with mode \(mode), and others could use it; chmod 600 it, "
                    + "or 640 for a group of its own")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= bytesMax {
            let count = readSome(descriptor, &buffer)
            if count == 0 { return bytes }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = String(cString: strerror(errno))
                throw TLSError(kind: .wrong, description: "cannot read \(path) (\(setting)): \(reason)")
            }
            bytes += buffer[..<count]
        }
        throw TLSError(kind: .wrong, description: "\(path) (\(setting)) is larger than 4 MiB; give a PEM file")
    }
}

private func readSome(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int {
    read(descriptor, &buffer, buffer.count)
}
