#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The socket that a service manager listens at: a path, or `@` and a name that is in no file system.
///
/// Source: sd_notify(3), unix(7)
struct NotifyAddress: Sendable {
    private let path: [UInt8]

    init?(_ text: String) {
        guard text.hasPrefix("/") || text.hasPrefix("@") else { return nil }
        var bytes = Array(text.utf8)
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        guard bytes.count < MemoryLayout<sockaddr_un>.size - Self.pathOffset else { return nil }
        path = bytes
    }

    private static let pathOffset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2

    /// Does not wait.
    ///
    /// - Returns: what went wrong; nil: it was sent.
    func send(_ text: String) -> String? {
        #if os(Linux)
            let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM), 0)
        #endif
        guard descriptor >= 0 else { return Self.reason() }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        // A name that is in no file system is as long as its bytes, and not up to a zero.
        let size = socklen_t(Self.pathOffset + path.count)
        var text = text
        let sent = text.withUTF8 { bytes in
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, bytes.baseAddress, bytes.count, Self.flags, $0, size)
                }
            }
        }
        return sent == text.utf8.count ? nil : Self.reason()
    }

    #if os(Linux)
        private static let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
    #else
        private static let flags = Int32(MSG_DONTWAIT)
    #endif

    private static func reason() -> String { String(cString: strerror(errno)) }
}
