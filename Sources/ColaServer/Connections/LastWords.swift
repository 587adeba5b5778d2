internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What a peer said last, though its socket was closed by a write that failed: of a process that died, acknowledgements
/// that nobody had read yet.
///
/// It holds the socket a second time, so that closing the channel does not drop what has come.
struct LastWords {
    private let descriptor: Int32

    /// Nil if there is no descriptor left: then they are lost, as those of other connections are.
    init?(of channel: any Channel) {
        let copy = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            fcntl($0, F_DUPFD_CLOEXEC, 0)
        }
        guard let copy, copy >= 0 else { return nil }
        descriptor = copy
    }

    /// More than a socket keeps of what nobody reads: who goes on to write is not read for ever. Bytes.
    private static let bytesMax = 8 << 20

    /// Reads what is there, and lets go of the socket.
    consuming func take() -> ByteBuffer {
        var words = ByteBuffer()
        var count = 0
        repeat {
            count = words.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) { room in
                max(0, recv(descriptor, room.baseAddress, room.count, Int32(MSG_DONTWAIT)))
            }
        } while count > 0 && words.readableBytes < Self.bytesMax
        close(descriptor)
        return words
    }
}
