import ColaNative
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A server of one thread that parses, counts and answers, and keeps nothing: what it is measured with is the ceiling
/// of the load generator and of the sockets of this machine.
///
/// Every queue is a number of messages; what is delivered has the body that was published last. It knows what the load
/// sends and no more, and anyone may connect who can reach its folder.
final class NullServer {
    private struct Queue {
        var ready = 0
        var lastBody: [UInt8] = []
        /// Whose turn it is.
        var next = 0
        var consumers: [(client: Int, number: Int64)] = []
    }

    private struct Client: ~Copyable {
        var socket: BenchSocket
        /// Deliveries that may still be sent; nil for one that does not consume.
        var room = 0
        var delivered: Int64 = 0
        var confirmed: ClosedRange<Int64>?
    }

    private let listener: Int32
    private let isStopped: @Sendable () -> Bool
    private var clients: [Int: ClientBox] = [:]
    private var order: [Int] = []
    private var queues: [[UInt8]: Queue] = [:]
    private var scanner = LineScanner()

    /// A class around a value that cannot be copied, so that it can stand in a dictionary.
    private final class ClientBox {
        var client: Client
        init(_ client: consuming Client) { self.client = client }
    }

    /// Listens; nobody is served before ``run()``.
    init(path: String, isStopped: @escaping @Sendable () -> Bool) throws {
        self.isStopped = isStopped
        let address = try SocketAddress(unixDomainSocketPath: path)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let code = address.withSockAddr { bind(listener, $0, socklen_t($1)) }
        guard code == 0, listen(listener, 128) == 0 else {
            throw Failure(.internalError, "cannot listen at \(path): \(systemError())")
        }
        _ = fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK)
    }

    deinit { close(listener) }

    /// Serves until it is told to stop.
    func run() {
        while !isStopped() {
            var waited = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            for id in order {
                guard let box = clients[id] else { continue }
                let events = box.client.socket.output.readableBytes > 0 ? POLLIN | POLLOUT : POLLIN
                waited.append(pollfd(fd: box.client.socket.descriptor, events: Int16(events), revents: 0))
            }
            guard poll(&waited, nfds_t(waited.count), 50) > 0 else { continue }
            for (index, id) in order.enumerated() where waited[index + 1].revents != 0 { serve(id) }
            for name in queues.keys { deliver(name) }
            for id in order { try? clients[id]?.client.socket.send() }
            if waited[0].revents != 0 {
                let descriptor = accept(listener, nil, nil)
                if descriptor >= 0 {
                    clients[Int(descriptor)] = ClientBox(Client(socket: BenchSocket(descriptor: descriptor)))
                    order.append(Int(descriptor))
                }
            }
            order.removeAll { clients[$0] == nil }
        }
    }

    private func serve(_ id: Int) {
        guard let box = clients[id] else { return }
        do {
            guard try box.client.socket.receive() else { return }
        } catch {
            clients[id] = nil
            for name in queues.keys { queues[name]?.consumers.removeAll { $0.client == id } }
            return
        }
        let bytes = box.client.socket.readable
        var position = 0
        // One queue's state is taken out of the table while a run of messages goes to it.
        while case .found(let end, let next) = LineScanner.findLine(in: bytes, from: position, limit: 1 << 16) {
            guard scanner.split(bytes, from: position, to: end) else { break }
            if scanner.field(0, is: "pub", in: bytes) {
                let size = Int(scanner.number(2, in: bytes) ?? 0)
                guard bytes.count - next > size else { break }
                published(UnsafeRawBufferPointer(rebasing: bytes[next..<next + size]), bytes, box)
                position = next + size + 1
                continue
            }
            position = next
            confirm(box)
            if scanner.field(0, is: "ack", in: bytes) {
                if let range = scanner.numbers(1, in: bytes) {
                    box.client.room += Int(range.upperBound - range.lowerBound) + 1
                }
            } else if scanner.field(0, is: "consume", in: bytes) {
                consume(id, box, bytes)
            } else {
                answer(box, bytes)
            }
        }
        box.client.socket.take(position)
        confirm(box)
    }

    private func published(_ body: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer, _ box: ClientBox) {
        let key = Array(scanner.raw(1, in: bytes))
        queues[key, default: Queue()].ready += 1
        if queues[key]?.lastBody.count == body.count {
            queues[key]?.lastBody.withUnsafeMutableBytes { $0.copyMemory(from: body) }
        } else {
            queues[key]?.lastBody = Array(body)
        }
        guard scanner.count > 3, let tag = scanner.optionNumber(3, in: bytes) else { return }
        box.client.confirmed = (box.client.confirmed?.lowerBound ?? tag)...tag
    }

    private func confirm(_ box: ClientBox) {
        guard let range = box.client.confirmed else { return }
        box.client.confirmed = nil
        box.client.socket.output.writeString("ok t=\(range.lowerBound)")
        if range.count > 1 { box.client.socket.output.writeString("-\(range.upperBound)") }
        box.client.socket.output.writeString("\n")
    }

    private func consume(_ id: Int, _ box: ClientBox, _ bytes: UnsafeRawBufferPointer) {
        var number: Int64 = 0
        for index in 2..<scanner.count {
            if scanner.option(index, is: "c", in: bytes) { number = scanner.optionNumber(index, in: bytes) ?? 0 }
            if scanner.option(index, is: "prefetch", in: bytes) {
                box.client.room += Int(scanner.optionNumber(index, in: bytes) ?? 0)
            }
        }
        queues[Array(scanner.raw(1, in: bytes)), default: Queue()].consumers.append((id, number))
        answer(box, bytes)
    }

    private func answer(_ box: ClientBox, _ bytes: UnsafeRawBufferPointer) {
        box.client.socket.output.writeString("ok")
        for index in 1..<scanner.count where scanner.option(index, is: "t", in: bytes) {
            box.client.socket.output.writeString(" t=")
            box.client.socket.output.writeBytes(scanner.value(index, in: bytes))
        }
        box.client.socket.output.writeString("\n")
    }

    private func deliver(_ name: [UInt8]) {
        guard var queue = queues[name], queue.ready > 0, !queue.consumers.isEmpty else { return }
        var passedOver = 0
        while queue.ready > 0, passedOver < queue.consumers.count {
            let consumer = queue.consumers[queue.next % queue.consumers.count]
            queue.next += 1
            guard let box = clients[consumer.client], box.client.room > 0,
                box.client.socket.output.readableBytes < 1 << 18
            else {
                passedOver += 1
                continue
            }
            passedOver = 0
            let run = min(queue.ready, box.client.room, 256)
            queue.ready -= run
            box.client.room -= run
            write(run, of: queue.lastBody, to: consumer.number, box)
        }
        queues[name] = queue
    }

    private func write(_ count: Int, of body: [UInt8], to consumer: Int64, _ box: ClientBox) {
        for _ in 0..<count {
            box.client.delivered += 1
            box.client.socket.output.writeStaticString("msg ")
            Decimal.write(consumer, to: &box.client.socket.output)
            box.client.socket.output.writeStaticString(" ")
            Decimal.write(box.client.delivered, to: &box.client.socket.output)
            box.client.socket.output.writeStaticString(" ")
            Decimal.write(box.client.delivered, to: &box.client.socket.output)
            box.client.socket.output.writeStaticString(" ")
            Decimal.write(body.count, to: &box.client.socket.output)
            box.client.socket.output.writeStaticString("\n")
            body.withUnsafeBytes { _ = box.client.socket.output.writeBytes($0) }
            box.client.socket.output.writeStaticString("\n")
        }
    }
}
