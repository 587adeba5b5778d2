package import ColaCore
package import ColaWorkers

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The files that what workers write is in, a line of JSON for each line, in a folder of the data directory.
///
/// It remembers nothing: a file is opened, written and closed each time, so that whoever else moves or deletes one
/// does no harm. All of it waits for the disk, and is done on a thread of its own, by one at a time. Nothing is synced:
/// these lines are not what the broker has promised to keep.
package struct OutputFiles: Sendable {
    /// Why lines were not written; no part of one was.
    package struct Failure: Error, Equatable, Sendable {
        package let path: String
        package let reason: String
    }

    private let folder: String
    private let rotation: OutputRotation
    private let freeDiskMin: Int

    /// More of one file is not read.
    private static let readBytesMax = 16 << 20
    private static let pieceBytes = 256 << 10

    /// - Parameters:
    ///   - folder: is made with the first line.
    ///   - freeDiskMin: with less room on the disk than this nothing is written. Bytes.
    package init(folder: String, rotation: OutputRotation, freeDiskMin: Int) {
        self.folder = folder
        self.rotation = rotation
        self.freeDiskMin = freeDiskMin
    }

    // MARK: Writing

    /// - Returns: of which workers how many lines were not written, and why.
    package func write(_ lines: [OutputLine]) -> (lost: [WorkerName: Int], failure: Failure?) {
        var lost: [WorkerName: Int] = [:]
        var failure: Failure?
        for (worker, lines) in Dictionary(grouping: lines, by: \.source.worker) {
            var written = 0
            do throws(Failure) {
                try checkRoom()
                for piece in pieces(lines) {
                    try write(piece.bytes, of: worker)
                    written += piece.lines
                }
            } catch {
                lost[worker] = lines.reduce(0) { $0 + $1.weight } - written
                failure = error
            }
        }
        return (lost, failure)
    }

    /// No longer than a file may be, but for a line that is.
    private func pieces(_ lines: [OutputLine]) -> [(bytes: [UInt8], lines: Int)] {
        var pieces: [(bytes: [UInt8], lines: Int)] = []
        for line in lines {
            var bytes: [UInt8] = []
            line.append(to: &bytes)
            if let last = pieces.last, last.bytes.count + bytes.count <= min(rotation.fileBytesMax, Self.pieceBytes) {
                pieces[pieces.count - 1].bytes += bytes
                pieces[pieces.count - 1].lines += line.weight
            } else {
                pieces.append((bytes, line.weight))
            }
        }
        return pieces
    }

    /// What is left of the disk is the broker's.
    private func checkRoom() throws(Failure) {
        guard freeDiskMin > 0, let free = freeBytes, free < freeDiskMin else { return }
        throw Failure(
            path: folder, reason: "\(free) bytes of disk are free, less than disk-free-min allows (\(freeDiskMin))")
    }

    private var freeBytes: Int? {
        // Before the first line the folder is not there.
        MachineResources(directory: folder).freeDiskBytes
            ?? MachineResources(directory: AbsolutePath.folder(of: folder)).freeDiskBytes
    }

    private func write(_ bytes: [UInt8], of worker: WorkerName) throws(Failure) {
        let path = "\(folder)/\(OutputRotation.name(of: worker, 0))"
        var descriptor = try open(path)
        defer { close(descriptor) }
        var size = try Self.size(of: descriptor, path)
        if rotation.isFull(size, before: bytes.count) {
            close(descriptor)
            rotate(worker)
            descriptor = try open(path)
            size = try Self.size(of: descriptor, path)
        }
        var bytes = bytes
        // A server that died may have left half a line.
        if size > 0, !Self.endsWithLineFeed(descriptor, size) { bytes.insert(0x0A, at: 0) }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Self.write(descriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                let reason = systemReason(errno)
                // No half line stays.
                _ = ftruncate(descriptor, off_t(size))
                throw Failure(path: path, reason: reason)
            }
            written += count
        }
    }

    private func open(_ path: String) throws(Failure) -> Int32 {
        let flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        var descriptor = Self.open(path, flags)
        if descriptor < 0, errno == ENOENT {
            _ = mkdir(folder, 0o700)
            descriptor = Self.open(path, flags)
        }
        guard descriptor >= 0 else { throw Failure(path: path, reason: systemReason(errno)) }
        return descriptor
    }

    private static func open(_ path: String, _ flags: Int32) -> Int32 {
        #if canImport(Glibc)
            Glibc.open(path, flags, 0o600)
        #elseif canImport(Musl)
            Musl.open(path, flags, 0o600)
        #else
            Darwin.open(path, flags, 0o600)
        #endif
    }

    private static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
            Musl.write(descriptor, bytes.baseAddress, bytes.count)
        #else
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }

    private static func size(of descriptor: Int32, _ path: String) throws(Failure) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(path: path, reason: systemReason(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(path: path, reason: "it is no file") }
        return Int(status.st_size)
    }

    private static func endsWithLineFeed(_ descriptor: Int32, _ size: Int) -> Bool {
        var last: UInt8 = 0
        return pread(descriptor, &last, 1, off_t(size - 1)) != 1 || last == 0x0A
    }

    private func rotate(_ worker: WorkerName) {
        // More of them may be left from when the setting was another one.
        var age = rotation.filesMax
        while unlink("\(folder)/\(OutputRotation.name(of: worker, age))") == 0 { age += 1 }
        let renames = rotation.renames(of: worker)
        for (from, to) in renames { _ = rename("\(folder)/\(from)", "\(folder)/\(to)") }
        if renames.isEmpty { unlink("\(folder)/\(OutputRotation.name(of: worker, 0))") }
    }

    // MARK: Reading

    /// The last lines of these workers that were asked for, and that were written before another one; the oldest first.
    package func last(
        _ count: Int, of workers: [WorkerName], _ query: OutputQuery, before: (WorkerName) -> OutputLine?
    ) -> [OutputLine] {
        var found: [OutputLine] = []
        for worker in workers {
            found += last(count, of: worker, query, before: before(worker))
            // Never more than two workers' worth is kept.
            if workers.count > 1 { found = Array(found.sorted { $0.isBefore($1) }.suffix(count)) }
        }
        return found
    }

    private func last(
        _ count: Int, of worker: WorkerName, _ query: OutputQuery, before: OutputLine?
    ) -> [OutputLine] {
        var found: [OutputLine] = []
        for age in 0... {
            guard let text = contents("\(folder)/\(OutputRotation.name(of: worker, age))") else { break }
            // From the end, and only as far as needed.
            var end = text.endIndex
            while found.count < count, end > 0 {
                let start = text[..<end].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
                defer { end = max(0, start - 1) }
                guard start < end, let line = OutputLine(json: text[start..<end]) else { continue }
                if let since = query.since, line.time < since { return found.reversed() }
                if let before, !line.isBefore(before) { continue }
                if line.isOf(query) { found.append(line) }
            }
            if found.count >= count { break }
        }
        return found.reversed()
    }

    /// The end of a file that is too large.
    private func contents(_ path: String) -> [UInt8]? {
        let descriptor = Self.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard let size = try? Self.size(of: descriptor, path) else { return nil }
        let bytes = min(size, Self.readBytesMax)
        return [UInt8](unsafeUninitializedCapacity: bytes) { memory, filled in
            while filled < bytes {
                let count = pread(
                    descriptor, memory.baseAddress.map { $0 + filled }, bytes - filled, off_t(size - bytes + filled))
                if count <= 0 { break }
                filled += count
            }
        }
    }
}
