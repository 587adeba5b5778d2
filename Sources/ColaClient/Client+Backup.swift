internal import ColaNative

extension Client {
    /// Has the server copy everything that it stores to a path of its own machine, while it goes on. All that was
    /// confirmed before is in the copy.
    ///
    /// Other requests of this client wait until it is done. When the connection ends, the copy is given up.
    ///
    /// - Parameters:
    ///   - path: absolute. While the copy is made it is `path/cola.db.partial`, or `path.partial` if it is a file.
    ///   - isFile: whether `path` is to be the copy itself, and not a data directory with the copy in it.
    ///   - replaces: whether an older copy there gives way.
    /// - Returns: the size of the copy in bytes.
    /// - Throws: ``ColaError``, with ``ColaError/Code/accessRefused`` unless this is the server's own user on its Unix
    ///   socket; nothing is left of the copy then.
    @discardableResult
    public func backUp(to path: String, isFile: Bool = false, replaces: Bool = false) async throws -> Int {
        let request = ClientRequest.backup(path: path, isFile: isFile, replaces: replaces)
        return Int(try await connection.ask(request, "backup to '\(path)'").answer.number("bytes") ?? 0)
    }
}
