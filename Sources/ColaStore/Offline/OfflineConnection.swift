internal import CSQLite
internal import Glibc

/// Opens the database of a directory that no server has open, so that neither it nor its neighbours change.
///
/// The caller holds the directory's lock.
enum OfflineConnection {
    static func open(_ directory: DataDirectory) throws -> Connection {
        try open(directory.database)
    }

    static func open(_ database: String) throws -> Connection {
        // Without a log the file is all there is, and SQLite may take it as something that nobody writes to.
        guard fileBytes(database + "-wal") > 0 else {
            let path = "file:\(escaped(database))?immutable=1"
            return try Connection(path: path, access: .readOnly, isURI: true)
        }
        // An exclusive connection keeps the log's index in memory instead of in a `-shm` file, and no lock is taken on
        // the file itself: we hold the directory's.
        let connection = try Connection(path: database, access: .readOnly, fileSystem: "unix-none")
        try connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        return connection
    }

    /// A path as a URI has it.
    private static func escaped(_ path: String) -> String {
        path.replacing("%", with: "%25").replacing("?", with: "%3f").replacing("#", with: "%23")
    }

    static func fileBytes(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
