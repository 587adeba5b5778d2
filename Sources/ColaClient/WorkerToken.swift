internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The token by which a server knows the processes that it has started as workers of mode `client`.
enum WorkerToken {
    /// The descriptor is a file of so many bytes.
    private static let byteCount = 64
    private static let wasTaken = Mutex(false)

    /// Reads it and closes its descriptor, so that no child has it.
    ///
    /// - Returns: nil if there is none, or it was taken before.
    static func take() -> String? {
        let isFirst = wasTaken.withLock { taken in
            defer { taken = true }
            return !taken
        }
        guard isFirst, let text = getenv("COLA_TOKEN_FD"), let descriptor = Int32(String(cString: text)) else {
            return nil
        }
        // A process further down may have inherited the variable, and have something else there.
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == byteCount else {
            return nil
        }
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { room, filled in
            // Where several processes share the descriptor, the first reads it, and the others find nothing.
            count = read(descriptor, room.baseAddress, byteCount)
            filled = max(0, count)
        }
        close(descriptor)
        return count == byteCount ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
