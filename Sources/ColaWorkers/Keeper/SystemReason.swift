internal import Glibc

/// What the system calls an error: "No such file or directory".
package func systemReason(_ number: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    // `strerror` itself shares one buffer between threads.
    guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
