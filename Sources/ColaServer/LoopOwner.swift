internal import ColaStore
internal import NIOCore
internal import Synchronization

/// Lets the store's thread reach the broker loop, which is made only after the store was opened.
///
/// What the store reports before is kept and handed over in its order.
final class LoopOwner: Sendable {
    private struct State {
        var loop: NIOLoopBound<BrokerLoop>?
        var waiting: [@Sendable (BrokerLoop) -> Void] = []
    }

    private let eventLoop: any EventLoop
    private let state = Mutex(State())

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func set(_ loop: NIOLoopBound<BrokerLoop>) {
        // With the lock held: what comes from now on must not overtake what waited.
        state.withLock { state in
            state.loop = loop
            for body in state.waiting { eventLoop.execute { body(loop.value) } }
            state.waiting = []
        }
    }

    func onLoop(_ body: @escaping @Sendable (BrokerLoop) -> Void) {
        let loop = state.withLock { state in
            if state.loop == nil { state.waiting.append(body) }
            return state.loop
        }
        if let loop { eventLoop.execute { body(loop.value) } }
    }

    /// What a store tells its owner, on its way to the loop.
    func events(
        failed: @escaping @Sendable (StoreError) -> Void, damaged: @escaping @Sendable (String) -> Void = { _ in },
        noticed: @escaping @Sendable (StoreNotice) -> Void = { _ in }
    ) -> StoreEvents {
        StoreEvents(
            committed: { number in self.onLoop { $0.committed(number) } },
            outOfRoom: { reason in self.onLoop { $0.storageBlocked(reason) } },
            roomFound: { self.onLoop { $0.storageBlocked(nil) } }, failed: failed, damaged: damaged,
            noticed: noticed)
    }
}
