internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A listening socket that a service manager opened before it started the server.
///
/// It stays open while the server is started again: who connects meanwhile waits and is refused nothing.
///
/// Source: sd_listen_fds(3), systemd.socket(5)
struct InheritedSocket: Sendable, Equatable {
    enum Place: Sendable, Equatable {
        case path(String)
        case port(String, Int)
    }

    var descriptor: Int32
    /// What the unit calls it (`FileDescriptorName=`): the setting of a listener, or nothing that is known here.
    var name: String
    var place: Place

    /// What a person would look for among the lines `ListenStream=` of the unit.
    var address: String {
        switch place {
        case .path(let path): path
        case .port(let host, let port): "\(host.contains(":") ? "[\(host)]" : host):\(port)"
        }
    }

    /// The first of them; systemd counts up from it.
    static let firstDescriptor: Int32 = 3

    /// All that were handed to this process.
    ///
    /// - Parameters:
    ///   - process: the number of this process; what is meant for another one is left alone.
    ///   - look: what a descriptor is; nil: no listening socket of a stream.
    /// - Throws: `Server.Failure` with exit code 64: something else than listening sockets was handed over.
    static func all(
        _ environment: [String: String], process: Int32 = getpid(), look: (Int32) -> Place? = place
    ) throws(Server.Failure) -> [InheritedSocket] {
        guard environment["LISTEN_PID"].flatMap(Int32.init) == process,
            let count = environment["LISTEN_FDS"].flatMap(Int32.init), 1...1_024 ~= count
        else { return [] }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        var sockets: [InheritedSocket] = []
        for index in 0..<count {
            let descriptor = firstDescriptor + index
            let name = Int(index) < names.count ? String(names[Int(index)]) : ""
            guard let place = look(descriptor) else {
                throw Server.Failure(
                    exitCode: 64,
                    description: "the service manager handed over descriptor \(descriptor) ('\(name)'), which is no "
                        + "socket that listens for streams; its socket unit may hold lines ListenStream= alone")
            }
            sockets.append(InheritedSocket(descriptor: descriptor, name: name, place: place))
        }
        return sockets
    }

    /// Where a listening socket of a stream is bound; nil: it is none. Programs that the server starts do not get it.
    private static func place(_ descriptor: Int32) -> Place? {
        guard option(SO_TYPE, descriptor) == Int32(SOCK_STREAM.rawValue), option(SO_ACCEPTCONN, descriptor) == 1,
            fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { return nil }
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isKnown = withUnsafeMutableBytes(of: &storage) { bytes in
            getsockname(descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size) == 0
        }
        guard isKnown else { return nil }
        return withUnsafeBytes(of: storage) { bytes -> Place? in
            switch Int32(bytes.loadUnaligned(as: sockaddr.self).sa_family) {
            case AF_UNIX:
                let path = bytes.dropFirst(MemoryLayout<sa_family_t>.size).prefix { $0 != 0 }
                return .path(String(decoding: path, as: UTF8.self))
            case AF_INET:
                let address = SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self))
                return .port(address.ipAddress ?? "0.0.0.0", address.port ?? 0)
            case AF_INET6:
                let address = SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self))
                return .port(address.ipAddress ?? "::", address.port ?? 0)
            default: return nil
            }
        }
    }

    private static func option(_ name: Int32, _ descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }
}
