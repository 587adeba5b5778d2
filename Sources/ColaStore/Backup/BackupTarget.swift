internal import ColaCore
internal import Glibc

/// Where a copy goes: its names while it is made and afterwards, and what keeps others away meanwhile.
///
/// While it is made it is `cola.db.partial` in its directory, or `FILE.partial`; whoever dies then leaves this name
/// behind, which the next one to the same place takes over. It gets its own name when it is synced.
final class BackupTarget {
    /// The path of the copy while it is made. An empty file at first.
    let partial: String
    private let order: BackupOrder
    /// The path of the copy when it is there.
    private let database: String
    private let folder: DataDirectory
    /// Whether the folder is ours to remove.
    private let isFolderMade: Bool
    /// Held where something is replaced that a server might start on.
    private let folderLock: DirectoryLock?
    /// Of the partial copy, locked as long as it is open.
    private let descriptor: Int32

    /// - Throws: ``BackupFailure``; nothing was changed.
    init(_ order: BackupOrder) throws(BackupFailure) {
        self.order = order
        let path = DataDirectory(path: order.path).path
        if order.isFile {
            folder = DataDirectory(path: Self.parent(of: path))
            database = path
            isFolderMade = false
        } else {
            folder = DataDirectory(path: path)
            database = folder.database
            isFolderMade = try Self.makeFolder(path, order)
        }
        partial = database + ".partial"
        do {
            try Self.look(at: database, in: folder, order)
            folderLock = try Self.lock(folder, order)
            descriptor = try Self.open(partial, order)
        } catch {
            if isFolderMade { rmdir(folder.path) }
            throw error
        }
    }

    deinit { Glibc.close(descriptor) }

    /// Makes durable what is there so far.
    func sync() throws(BackupFailure) {
        guard fdatasync(descriptor) == 0 else { throw Self.failure(order, "sync it", errno) }
    }

    /// Gives the copy its name, with everything on the disk.
    ///
    /// - Returns: its size in bytes.
    func publish() throws(BackupFailure) -> Int {
        var status = stat()
        guard fsync(descriptor) == 0, fstat(descriptor, &status) == 0 else {
            throw Self.failure(order, "sync it", errno)
        }
        if order.replaces {
            // A log of what is replaced would be taken for the new one's.
            unlink(database + "-wal")
            unlink(database + "-shm")
            guard rename(partial, database) == 0 else { throw Self.failure(order, "give it its name", errno) }
        } else {
            // Unlike a rename, a link never takes the place of something.
            guard link(partial, database) == 0 else {
                if errno == EEXIST { throw .exists(path: order.path) }
                throw Self.failure(order, "give it its name", errno)
            }
            unlink(partial)
        }
        folder.sync()
        return Int(status.st_size)
    }

    /// Leaves things as they were.
    func discard() {
        unlink(partial)
        if isFolderMade { rmdir(folder.path) }
        folder.sync()
    }

    // MARK: Looking first

    /// - Returns: whether there was none.
    private static func makeFolder(_ path: String, _ order: BackupOrder) throws(BackupFailure) -> Bool {
        if mkdir(path, 0o700) == 0 {
            DataDirectory(path: parent(of: path)).sync()
            return true
        }
        guard errno == EEXIST else { throw failure(order, "make the directory", errno) }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw .unsuitable(path: order.path, reason: "it is a file; name a directory, or say that it is a file")
        }
        return false
    }

    private static func look(
        at database: String, in folder: DataDirectory, _ order: BackupOrder
    ) throws(BackupFailure) {
        if let kind = kind(of: database), kind != S_IFREG {
            throw .unsuitable(path: order.path, reason: "\(database) is no file")
        }
        let isTaken = kind(of: database) != nil || kind(of: database + "-wal") != nil
        if isTaken, !order.replaces { throw .exists(path: order.path) }
        guard !order.isFile, !isTaken else { return }
        let known = Set(
            [folder.lock, folder.database + ".partial"].map { String($0.dropFirst(folder.path.count + 1)) })
        if let other = names(in: folder.path).first(where: { !known.contains($0) }) {
            throw .unsuitable(
                path: order.path, reason: "there are other things in it (\(other)); name a new directory in it")
        }
    }

    /// Sees that no server has the folder open, and where something is to be replaced, that none opens it.
    private static func lock(_ folder: DataDirectory, _ order: BackupOrder) throws(BackupFailure) -> DirectoryLock? {
        do {
            let lock = try DirectoryLock(withoutChanging: folder)
            return order.replaces ? lock : nil
        } catch {
            switch error {
            case .inUse(_, let owner):
                throw .unsuitable(
                    path: order.path, reason: "\(folder.path) is the data directory of \(owner); choose another one")
            case .notPermitted(_, let reason): throw .notPermitted(path: order.path, reason: reason)
            default: throw .failed(path: order.path, reason: "\(error)")
            }
        }
    }

    private static func open(_ partial: String, _ order: BackupOrder) throws(BackupFailure) -> Int32 {
        let descriptor = Glibc.open(partial, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(order, "make \(partial)", errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw .busy(path: order.path)
        }
        guard ftruncate(descriptor, 0) == 0, fchmod(descriptor, 0o600) == 0 else {
            let number = errno
            Glibc.close(descriptor)
            throw failure(order, "empty \(partial)", number)
        }
        return descriptor
    }

    private static func failure(_ order: BackupOrder, _ operation: String, _ number: Int32) -> BackupFailure {
        let reason = "cannot \(operation): \(systemReason(number))"
        if isNotPermitted(number) { return .notPermitted(path: order.path, reason: reason) }
        if isOutOfRoom(number) || number == EFBIG { return .noRoom(path: order.path, reason: reason) }
        if number == ENOENT {
            return .unsuitable(path: order.path, reason: "\(reason); make the directory above it first")
        }
        if [ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG].contains(number) {
            return .unsuitable(path: order.path, reason: reason)
        }
        return .failed(path: order.path, reason: reason)
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Of the file itself, not of what a link leads to; nil if there is none.
    private static func kind(of path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    private static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
