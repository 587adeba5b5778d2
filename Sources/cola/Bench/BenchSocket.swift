import ColaClient
import ColaNative
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A plain socket and its two buffers, for one thread that sends, receives and waits: the load generator shares the
/// machine's cores with the broker, so it uses no event loop, task or lock per message.
struct BenchSocket: ~Copyable {
    let descriptor: Int32
    /// What is still to be sent.
    var output = ByteBuffer()
    /// What was received and not taken yet: `input[taken..<received]`.
    private(set) var input: UnsafeMutableRawBufferPointer
    private(set) var taken = 0
    private(set) var received = 0

    init(_ url: ColaURL) throws {
        let address: SocketAddress
        switch url.address {
        case .unix(let path): address = try SocketAddress(unixDomainSocketPath: path)
        case .tcp(let host, let port): address = try .makeAddressResolvingHost(host, port: port)
        }
        let descriptor = address.withSockAddr { pointer, length in
            let descriptor = socket(Int32(pointer.pointee.sa_family), streamType | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else { return Int32(-1) }
            if connect(descriptor, pointer, socklen_t(length)) == 0 { return descriptor }
            let reason = errno
            close(descriptor)
            errno = reason
            return -1
        }
        guard descriptor >= 0 else {
            throw ColaError(
                code: .unreachable, message: "cannot reach a server at \(url): \(systemError())", isRetryable: true)
        }
        if case .tcp = url.address {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        self.init(descriptor: descriptor)
    }

    /// Takes over a connected socket.
    init(descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        input = .allocate(byteCount: 1 << 18, alignment: 16)
        output.reserveCapacity(1 << 18)
    }

    deinit {
        close(descriptor)
        input.deallocate()
    }

    /// What was received and not taken yet.
    var readable: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: input[taken..<received]) }

    mutating func take(_ count: Int) {
        taken += count
        if taken == received { (taken, received) = (0, 0) }
    }

    /// Sends as much as the socket takes.
    mutating func send() throws {
        while output.readableBytes > 0 {
            let count = output.withUnsafeReadableBytes { sendBytes(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
                throw lost(systemError())
            }
            output.moveReaderIndex(forwardBy: count)
        }
        output.clear()
    }

    /// Receives what is there.
    /// - Returns: false if nothing was.
    mutating func receive() throws -> Bool {
        if input.count - received < 1 << 16 { makeRoom() }
        while true {
            let count = recv(descriptor, input.baseAddress.map { $0 + received }, input.count - received, 0)
            if count > 0 {
                received += count
                return true
            }
            if count == 0 { throw lost("it was closed by the server") }
            if errno == EAGAIN { return false }
            if errno != EINTR { throw lost(systemError()) }
        }
    }

    /// Sleeps until something can be received, or sent if something is to be; or so long.
    ///
    /// `poll` counts milliseconds, too coarse for a rate; `pselect` counts nanoseconds, but only up to descriptor
    /// 1,023.
    func wait(nanoseconds: Int64) {
        guard nanoseconds > 0 else { return }
        let isSending = output.readableBytes > 0
        guard descriptor < 1024, nanoseconds < 20_000_000 else {
            var waited = pollfd(fd: descriptor, events: Int16(isSending ? POLLIN | POLLOUT : POLLIN), revents: 0)
            _ = poll(&waited, 1, Int32(min(nanoseconds / 1_000_000, 1000)))
            return
        }
        var readable = fd_set()
        withUnsafeMutableBytes(of: &readable) { $0[Int(descriptor) / 8] |= 1 << UInt8(descriptor % 8) }
        var writable = isSending ? readable : fd_set()
        var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
        _ = pselect(descriptor + 1, &readable, &writable, nil, &time, nil)
    }

    /// Moves the rest to the front, and doubles the room when a message fills it.
    private mutating func makeRoom() {
        let rest = received - taken
        if rest > input.count / 2 {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count * 2, alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[taken..<received]))
            input.deallocate()
            input = larger
        } else if taken > 0, rest > 0, let base = input.baseAddress {
            memmove(base, base + taken, rest)
        }
        (taken, received) = (0, rest)
    }

    private func lost(_ reason: String) -> ColaError {
        ColaError(code: .connectionLost, message: "lost the connection to the broker: \(reason)", isRetryable: true)
    }
}

#if canImport(Darwin)
    private let streamType = SOCK_STREAM
#else
    private let streamType = Int32(SOCK_STREAM.rawValue)
#endif

/// `send` without a signal when the other end is gone; the socket has a method of the name.
private func sendBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    send(descriptor, bytes, count, Int32(MSG_NOSIGNAL))
}
