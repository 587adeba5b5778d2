import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The file that definitions are in.
enum DefinitionsFile {
    /// All of it.
    /// - Parameter path: `-` is standard input.
    static func read(_ path: String) throws -> [UInt8] {
        if path == "-" { return [UInt8](try FileHandle.standardInput.readToEnd() ?? Data()) }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure(.noInput, "\(path) cannot be read; name a file that is there, or - for standard input")
        }
        return [UInt8](data)
    }

    /// Hashes of passwords are in it: nobody but its owner may read it.
    static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure(.inputOutput, "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        fchmod(descriptor, 0o600)
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data(text.utf8))
            try file.close()
        } catch {
            throw Failure(.inputOutput, "\(path) cannot be written: \(error.localizedDescription)")
        }
    }
}
