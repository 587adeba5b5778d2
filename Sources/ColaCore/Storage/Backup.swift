/// A copy of everything that is stored, to be made while the broker goes on.
package struct BackupOrder: Equatable, Sendable {
    /// Absolute.
    package var path: String
    /// Whether `path` is to be the copy itself; otherwise it is to be a data directory with the copy in it.
    package var isFile: Bool
    /// Whether an older copy there gives way.
    package var replaces: Bool

    package init(path: String, isFile: Bool = false, replaces: Bool = false) {
        self.path = path
        self.isFile = isFile
        self.replaces = replaces
    }
}

/// How far a copy is. Pages are those of the database; their number may still change while the broker goes on.
package struct BackupProgress: Equatable, Sendable {
    package var pages: Int
    package var totalPages: Int

    package init(pages: Int, totalPages: Int) {
        self.pages = pages
        self.totalPages = totalPages
    }
}

/// Why there is no copy. Nothing of it was left behind, and what is stored is as it was.
package enum BackupFailure: Error, Equatable, Sendable {
    /// Another one is under way.
    case busy(path: String)
    /// Something is there already, and it was not said that it may be replaced.
    case exists(path: String)
    /// A copy cannot stand there, whatever is tried again.
    case unsuitable(path: String, reason: String)
    case notPermitted(path: String, reason: String)
    case noRoom(path: String, reason: String)
    case failed(path: String, reason: String)
    /// Whoever asked for it has gone, or the server stops.
    case cancelled(path: String)

    var code: String {
        switch self {
        case .busy: "busy"
        case .exists: "in_use"
        case .unsuitable: "mismatch"
        case .notPermitted: "access_refused"
        case .noRoom, .failed, .cancelled: "storage"
        }
    }

    var isRetryable: Bool {
        switch self {
        case .busy, .noRoom, .failed, .cancelled: true
        case .exists, .unsuitable, .notPermitted: false
        }
    }
}

extension BackupFailure: CustomStringConvertible {
    /// One line: what happened, to what, and what to do about it.
    package var description: String {
        switch self {
        case .busy(let path): "a backup to \(path) is under way; ask again when it is done"
        case .exists(let path):
            "there is something at \(path) already; choose another path, or say that it may be replaced "
                + "(replace=yes, --force)"
        case .unsuitable(let path, let reason): "a backup cannot go to \(path): \(reason)"
        case .notPermitted(let path, let reason):
            "the server may not write \(path): \(reason); choose a path that its user may write to"
        case .noRoom(let path, let reason):
            "there is no room for the backup at \(path): \(reason); free some space there, or choose another path"
        case .failed(let path, let reason):
            "the backup to \(path) failed: \(reason); nothing of it was kept, and what is stored is as it was"
        case .cancelled(let path):
            "the backup to \(path) was given up: whoever asked for it has left, or the server stops; nothing of it was "
                + "kept"
        }
    }
}
