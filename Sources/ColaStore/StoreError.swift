internal import ColaCore

/// Why a store could not do what it was asked. Each case knows what a person can do about it, and its exit code.
package enum StoreError: Error, Equatable, Sendable {
    /// Another process has the data directory open.
    case inUse(path: String, by: String)
    case notPermitted(path: String, reason: String)
    /// The file is an SQLite database, but none of cola's.
    case foreign(path: String, reason: String)
    /// The file was written by a newer program.
    case newerSchema(path: String, found: Int64, known: Int64)
    /// What is on the disk is not what was synced to it.
    case damaged(path: String, reason: String)
    /// The disk or the file system reported an error.
    case inputOutput(operation: String, reason: String)
    /// There is not enough room to open the store at all.
    case noRoom(path: String, reason: String)
    /// SQLite said something that should not happen.
    case unexpected(operation: String, code: Int32, reason: String)

    /// Someone else owns the virtual host now: nothing may be written on behalf of `epoch` any more.
    static func epochIsOver(_ epoch: Epoch) -> StoreError {
        .unexpected(
            operation: "commit", code: 0,
            reason: "the data directory was opened by someone else since epoch \(epoch)")
    }
}

extension StoreError: CustomStringConvertible {
    /// One line: what happened, to what, and what to do about it.
    package var description: String {
        switch self {
        case .inUse(let path, let owner):
            "data directory \(path) is in use by \(owner); stop that server, or choose another directory with "
                + "--data-dir"
        case .notPermitted(let path, let reason):
            "cannot use \(path): \(reason); choose another directory with --data-dir, or let the user that this server "
                + "runs as read and write it"
        case .newerSchema(let path, let found, let known):
            "\(path) was written by a newer cola (schema \(found), this one knows \(known)); upgrade cola. "
                + "Nothing was changed"
        case .damaged(let path, let reason):
            "\(path) is damaged: \(reason). Look at it with `cola check`; to start with all that can be read (a copy "
                + "of the file is kept first), use --accept-damage"
        case .foreign(let path, let reason):
            "\(path) is an SQLite database, but not one of cola's: \(reason); choose another directory with --data-dir"
        case .inputOutput(let operation, let reason):
            "the disk failed to \(operation): \(reason). What was confirmed is safe if the disk is; look at the kernel "
                + "log, then start the server again"
        case .noRoom(let path, let reason):
            "no room left for \(path): \(reason); free some disk space and start the server again"
        case .unexpected(let operation, let code, let reason):
            "the store failed to \(operation): \(reason) (SQLite result code \(code)); please report this"
        }
    }

    /// After sysexits.h.
    package var exitCode: Int32 {
        switch self {
        case .inUse: 75
        case .notPermitted: 77
        case .foreign, .newerSchema, .damaged: 65
        case .inputOutput, .unexpected: 70
        case .noRoom: 74
        }
    }
}
