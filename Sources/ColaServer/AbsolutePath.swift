#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A path as another process would need it.
enum AbsolutePath {
    static func of(_ path: String) -> String {
        guard !path.hasPrefix("/"), let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        let relative = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
        return "\(String(cString: current))/\(relative)"
    }

    /// The folder that a file is in.
    static func folder(of path: String) -> String {
        let parts = of(path).split(separator: "/")
        return "/" + parts.dropLast().joined(separator: "/")
    }
}
