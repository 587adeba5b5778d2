internal import Glibc

/// The folder that holds everything a server keeps, and the names in it.
///
/// Shape: `cola.db` (+ `-wal`, `-shm`): the SQLite database; `lock`: held by the process that has it open, with its pid
/// in it; `reserve`: disk space to give back when there is no other; `cola.db.damaged-1`, `-2`, …: copies of damaged
/// databases; `cola.db.salvage` and `cola.db.salvaged`: what becomes of one (``Salvage``)
package struct DataDirectory: Sendable {
    package let path: String

    package init(path: String) {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = path
    }

    package var database: String { path + "/cola.db" }
    package var log: String { database + "-wal" }
    /// What is read from a damaged database, as long as it is not all of it.
    var salvage: String { database + ".salvage" }
    /// A copy of it with another first page.
    var salvageSource: String { database + ".salvage-source" }
    /// All that could be read: the next database.
    var salvaged: String { database + ".salvaged" }
    package var lock: String { path + "/lock" }
    package var reserve: String { path + "/reserve" }

    /// Makes it if it is missing, for its owner alone, and refuses one that others could write to.
    func prepare() throws(StoreError) {
        if mkdir(path, 0o700) == 0 {
            Self.sync(parent(of: path))
        } else if errno != EEXIST {
            throw refusal("make it", errno)
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw refusal("look at it", errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .notPermitted(path: path, reason: "it is not a directory")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw .notPermitted(
                path: path, reason: "group or others may write to it (chmod go-w \(path) would put that right)")
        }
        // Root may write anyway, but whoever took the right away meant something by it.
        guard status.st_mode & 0o200 != 0, access(path, R_OK | W_OK | X_OK) == 0 else {
            throw .notPermitted(path: path, reason: "it is read-only")
        }
    }

    /// Makes the database's file if it is missing, readable for its owner alone; SQLite gives its other files the same
    /// mode.
    func createDatabaseFile() throws(StoreError) {
        let descriptor = open(database, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw refusal("open cola.db", errno) }
        Glibc.close(descriptor)
        // The name must be on the disk before there is a log that would be nothing without it.
        sync()
    }

    func sync() { Self.sync(path) }

    func refusal(_ operation: String, _ number: Int32) -> StoreError {
        if isNotPermitted(number) {
            return .notPermitted(path: path, reason: "cannot \(operation): \(systemReason(number))")
        }
        if isOutOfRoom(number) { return .noRoom(path: path, reason: "cannot \(operation): \(systemReason(number))") }
        if number == ENOENT || number == ENOTDIR {
            return .notPermitted(path: path, reason: "cannot \(operation): \(systemReason(number))")
        }
        return .inputOutput(operation: "\(operation) in \(path)", reason: systemReason(number))
    }

    private func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes the names in a folder durable. Some file systems cannot: then there is nothing more to do.
    private static func sync(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        Glibc.close(descriptor)
    }
}
