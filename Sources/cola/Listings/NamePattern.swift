#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Names as a shell picks them: `*` stands for any text, also of no characters, `?` for one character, `[ab]` for one
/// of these, and a backslash takes the meaning from what follows it.
///
/// Source: POSIX, fnmatch
enum NamePattern {
    static func matches(_ pattern: String, _ name: String) -> Bool { fnmatch(pattern, name, 0) == 0 }
}
