internal import CSpawn
internal import Glibc

/// One end of the pair of sockets between broker and keeper. It keeps packets apart, carries descriptors with them and
/// never blocks; its end tells the one that the other is gone, however it went.
struct KeeperLink: Sendable {
    let descriptor: Int32

    /// What came in one packet. The descriptors are the receiver's to close.
    struct Received {
        var bytes: [UInt8]
        var descriptors: [Int32]
        /// Some descriptors of the packet found no room in this process.
        var hasLostDescriptors: Bool
    }

    enum Receipt {
        case packet(Received)
        /// Nothing is waiting.
        case nothing
        /// The other end is gone, or the link does not work.
        case ended
    }

    enum Sending {
        case sent
        /// No room now; the link says when there is some.
        case full
        /// No room for descriptors on their way; it comes when the other end has taken some, and nothing says so.
        case tooManyDescriptors
        case ended
        case refused(error: Int32)
    }

    /// Two ends that are connected with each other. Both are close-on-exec.
    static func pair() throws(SystemFailure) -> (KeeperLink, KeeperLink) {
        var sockets: [Int32] = [-1, -1]
        guard cola_link_pair(&sockets) == 0 else { throw SystemFailure(error: errno) }
        return (KeeperLink(descriptor: sockets[0]), KeeperLink(descriptor: sockets[1]))
    }

    func send(_ packet: [UInt8], descriptors: [Int32] = []) -> Sending {
        guard cola_link_send(descriptor, packet, packet.count, descriptors, Int32(descriptors.count)) != 0 else {
            return .sent
        }
        switch errno {
        case EAGAIN, ENOBUFS: return .full
        case ETOOMANYREFS: return .tooManyDescriptors
        case EPIPE, ECONNRESET, ENOTCONN: return .ended
        case let error: return .refused(error: error)
        }
    }

    func receive() throws(Packet.Malformed) -> Receipt {
        var descriptors = [Int32](repeating: -1, count: Int(COLA_LINK_DESCRIPTORS_MAX))
        var count: Int32 = 0
        var lost: Int32 = 0
        var size = 0
        // One byte more than allowed, so that a larger packet is noticed.
        let bytes = [UInt8](unsafeUninitializedCapacity: Packet.bytesMax + 1) { room, filled in
            size = cola_link_receive(descriptor, room.baseAddress, room.count, &descriptors, &count, &lost)
            filled = max(size, 0)
        }
        let error = errno
        descriptors.removeSubrange(Int(count)...)
        guard size > 0 else {
            return size < 0 && error == EAGAIN ? .nothing : .ended
        }
        if size > Packet.bytesMax || lost & 1 != 0 {
            for descriptor in descriptors { Glibc.close(descriptor) }
            throw Packet.Malformed(description: "it has more than \(Packet.bytesMax) bytes")
        }
        return .packet(Received(bytes: bytes, descriptors: descriptors, hasLostDescriptors: lost & 2 != 0))
    }

    func close() {
        Glibc.close(descriptor)
    }
}

/// A call of the system that failed where there is nothing to do about it but to say so.
struct SystemFailure: Error, Equatable, CustomStringConvertible {
    let error: Int32

    var description: String { systemReason(error) }
}
