internal import CSQLite
internal import Glibc

/// A call of SQLite's that did not return what it should, with what is needed to decide what to do about it.
struct SQLiteFailure: Error, CustomStringConvertible {
    enum Kind {
        /// Try again when something was freed.
        case outOfRoom
        /// Someone else has the file; try again soon.
        case busy
        /// The disk failed: what was under way is in doubt, and must not be tried again.
        case inputOutput
        /// What is in the file is no database, or not a sound one.
        case damaged
        case notPermitted
        /// The row is none that the table takes.
        case constraint
        case other
    }

    var operation: String
    /// The extended result code.
    var code: Int32
    /// What the system call said, as far as SQLite knows; 0 if there was none.
    var systemNumber: Int32
    var message: String

    var kind: Kind {
        switch code & 0xff {
        case SQLITE_FULL: .outOfRoom
        case SQLITE_BUSY, SQLITE_LOCKED: .busy
        case SQLITE_CORRUPT, SQLITE_NOTADB: .damaged
        case SQLITE_CONSTRAINT, SQLITE_MISMATCH: .constraint
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .notPermitted
        case SQLITE_CANTOPEN:
            isOutOfRoom(systemNumber) ? .outOfRoom : isNotPermitted(systemNumber) ? .notPermitted : .inputOutput
        case SQLITE_IOERR:
            switch code {
            // A sync that failed has dropped what it should have written, even where it says that there was no room.
            case cola_ioerr_fsync, cola_ioerr_dir_fsync: .inputOutput
            default: isOutOfRoom(systemNumber) ? .outOfRoom : .inputOutput
            }
        default: .other
        }
    }

    /// A table or column is not there, or cannot be understood.
    var isOfSchema: Bool { code & 0xff == SQLITE_ERROR }

    var description: String {
        systemNumber == 0 ? message : "\(message): \(systemReason(systemNumber))"
    }

    func storeError(path: String) -> StoreError {
        switch kind {
        case .outOfRoom: .noRoom(path: path, reason: "cannot \(operation): \(description)")
        case .busy: .inUse(path: path, by: "another process that has opened it with SQLite")
        case .inputOutput: .inputOutput(operation: "\(operation) (\(path))", reason: description)
        case .damaged: .damaged(path: path, reason: "cannot \(operation): \(description)")
        case .notPermitted: .notPermitted(path: path, reason: "cannot \(operation): \(description)")
        case .constraint, .other: .unexpected(operation: operation, code: code, reason: description)
        }
    }
}

extension StoreError {
    /// Runs `body`, whose errors are of SQLite or our own, and throws them as our own.
    static func converting<Result>(path: String, _ body: () throws -> Result) throws(StoreError) -> Result {
        do {
            return try body()
        } catch let error as StoreError {
            throw error
        } catch let failure as SQLiteFailure {
            throw failure.storeError(path: path)
        } catch {
            throw .unexpected(operation: "use \(path)", code: 0, reason: "\(error)")
        }
    }
}
