#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A folder of this process alone, for the time of a measurement.
struct TemporaryFolder: Sendable {
    let path: String

    /// - Parameter parent: where the measured disk is; nil is TMPDIR or /tmp.
    init(in parent: String? = nil) throws {
        let parent = parent ?? environment("TMPDIR") ?? "/tmp"
        var template = Array("\(parent)/cola-bench-XXXXXX".utf8CString)
        guard let made = template.withUnsafeMutableBufferPointer({ $0.baseAddress.flatMap { mkdtemp($0) } }) else {
            throw Failure(
                .inputOutput, "cannot make a folder in \(parent): \(systemError()); choose another with --dir")
        }
        path = String(cString: made)
    }

    func remove() { Self.remove(path) }

    /// Removes a folder and what is in it. Links are removed, not followed.
    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name == "." || name == ".." { continue }
                if entry.pointee.d_type == UInt8(DT_DIR) {
                    remove("\(path)/\(name)")
                } else {
                    unlink("\(path)/\(name)")
                }
            }
            closedir(folder)
        }
        rmdir(path)
    }
}
