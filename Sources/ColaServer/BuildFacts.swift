internal import CBuild
internal import CYAML
internal import ColaStore

/// What a person who reports a problem is asked for first: what this program is, and what it was made of and runs on.
package enum BuildFacts {
    /// Several lines; the first is the name and the version.
    package static var text: String {
        """
        cola \(Server.version)
        commit   \(String(cString: cola_build_commit()))
        build    \(configuration), \(architecture) \(system), Swift \(compiler)
        storage  SQLite \(SQLiteStore.engineVersion), schema \(SQLiteStore.schemaVersion)
        settings libyaml \(yaml_get_version_string().map { String(cString: $0) } ?? "")
        """
    }

    private static var configuration: String {
        #if DEBUG
            "debug"
        #else
            "release"
        #endif
    }

    private static var architecture: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "arm64"
        #else
            "other"
        #endif
    }

    private static var system: String {
        #if canImport(Glibc)
            "Linux (glibc)"
        #elseif canImport(Musl)
            "Linux (musl)"
        #elseif os(macOS)
            "macOS"
        #else
            "other"
        #endif
    }

    /// Nobody tells a program the whole of it, so it is asked for step by step.
    private static var compiler: String {
        #if compiler(>=6.5)
            "6.5 or later"
        #elseif compiler(>=6.4)
            "6.4"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }
}
