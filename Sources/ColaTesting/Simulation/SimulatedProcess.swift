internal import ColaCore
internal import ColaServer
internal import ColaStore
internal import Logging
internal import NIOCore
internal import NIOEmbedded

/// One life of the server: the real loop, sessions and connection handlers, on an event loop that the world turns.
final class SimulatedProcess {
    let life: Int
    let store: FaultyStore
    let eventLoop = EmbeddedEventLoop()
    private let server: EmbeddedServer
    private let spinning = Spinning()
    private let born: Int64
    private(set) var links: [Link] = []
    /// Whether a commit or a read is on its way to its end.
    var isCommitting = false
    var isReading = false
    var isOutOfRoom = false

    private static let logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }

    init(
        life: Int, at born: Int64, disk: MemoryStore.Disk, clock: SimulatedClock, options: EmbeddedServer.Options,
        failed: @escaping @Sendable () -> Void
    ) throws {
        self.life = life
        self.born = born
        store = FaultyStore(disk: disk)
        // A new boot, a new count.
        let monotonicOffset = Int64(life) * 7_000_000_007
        server = try EmbeddedServer(
            store: store, on: eventLoop, options: options, logger: Self.logger,
            clock: { [eventLoop, spinning] in
                let time = Int64(eventLoop.now.uptimeNanoseconds)
                return clock.now(at: born + time + spinning.delay(at: time), monotonicOffset: monotonicOffset)
            }, failed: { _ in failed() })
    }

    /// Whether the server was busy without end at one moment.
    var isSpinning: Bool { spinning.isFound }

    /// Timers that are due fire.
    func advance(to time: Int64) {
        eventLoop.advanceTime(to: .uptimeNanoseconds(UInt64(time - born)))
    }

    func accept(_ link: Link) throws {
        links.append(link)
        try server.accept(link.socket.channel, from: link.peer, speaking: link.traits.wire)
    }

    func forget(_ link: Link) { links.removeAll { $0 === link } }

    /// Stops in order: everyone hears good-bye, the last batch is committed.
    func stop() throws {
        server.stop()
        eventLoop.run()
        try store.close()
        eventLoop.run()
    }

    /// Nothing of it runs any more.
    func end() {
        for link in links { link.socket.die() }
        links = []
        let last = EmbeddedChannel(loop: eventLoop)
        _ = try? last.finish(acceptAlreadyClosed: true)
        store.fallSilent()
    }
}
