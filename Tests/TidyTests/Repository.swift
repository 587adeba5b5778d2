import Foundation

/// The working tree this test was compiled from, without what tools leave in it.
struct Repository {
    let root: URL

    init(file: String = #filePath) {
        // Tests/TidyTests/Repository.swift
        root = URL(filePath: file).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }

    /// Folders that hold what was built, fetched or stored, at any depth.
    private static let skipped: Set = [
        ".git", "__pycache__", ".pytest_cache", ".mypy_cache", "cola-data", "node_modules", "build",
    ]

    /// The text files whose path begins with `prefix` and ends with one of `extensions` (any if empty), sorted by path.
    func files(under prefix: String = "", extensions: Set<String> = []) throws -> [TextFile] {
        guard let walk = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.isRegularFileKey])
        else {
            throw CocoaError(.fileReadUnknown)
        }
        let rootPath = root.path(percentEncoded: false)
        var files: [TextFile] = []
        for case let url as URL in walk {
            let name = url.lastPathComponent
            if Self.skipped.contains(name) || name.hasPrefix(".build") || name.hasPrefix(".venv")
                || name.hasSuffix(".egg-info")
            {
                walk.skipDescendants()
                continue
            }
            let path = String(url.path(percentEncoded: false).dropFirst(rootPath.count))
            guard path.hasPrefix(prefix), extensions.isEmpty || extensions.contains(url.pathExtension),
                try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true,
                let text = String(data: try Data(contentsOf: url), encoding: .utf8)
            else { continue }
            files.append(TextFile(path: path, text: text))
        }
        return files.sorted { $0.path < $1.path }
    }

    /// Whether there is a file or folder at `path`, counted from the root.
    func holds(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path(percentEncoded: false))
    }
}
