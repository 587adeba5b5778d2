internal import Glibc

/// What the system calls an error number, for example "No space left on device".
func systemReason(_ number: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    // `strerror` itself shares one buffer between threads.
    guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Whether the number says that the disk, or the user's share of it, is full.
func isOutOfRoom(_ number: Int32) -> Bool { number == ENOSPC || number == EDQUOT }

/// Whether the number says that the user may not do this.
func isNotPermitted(_ number: Int32) -> Bool { number == EACCES || number == EPERM || number == EROFS }
