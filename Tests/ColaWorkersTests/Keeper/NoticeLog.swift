import ColaWorkers
import Foundation
import Synchronization

/// What a `KeeperProcess` has told so far, for a test that waits for it.
final class NoticeLog: Sendable {
    private let heard = Mutex<[KeeperProcess.Notice]>([])

    var notices: [KeeperProcess.Notice] { heard.withLock { $0 } }

    /// What was told of one instance, in its order.
    func events(of instance: SpawnID) -> [KeeperEvent] {
        notices.compactMap { notice in
            guard case .event(let event) = notice, event.instance == instance else { return nil }
            return event
        }
    }

    func append(_ notice: KeeperProcess.Notice) { heard.withLock { $0.append(notice) } }

    struct NothingCame: Error {
        let heard: [KeeperProcess.Notice]
    }

    /// Looks until `find` finds something.
    func wait<T>(seconds: Double = 30, for find: ([KeeperProcess.Notice]) -> T?) throws -> T {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if let found = find(notices) { return found }
            usleep(2_000)
        }
        throw NothingCame(heard: notices)
    }

    func waitUntilSwept(_ instance: SpawnID) throws -> [KeeperEvent] {
        try wait { _ in
            let events = events(of: instance)
            if case .swept = events.last { return events }
            return nil
        }
    }

    /// The number of the process of an instance that was started.
    func waitUntilStarted(_ instance: SpawnID) throws -> Int32 {
        try wait { _ in
            guard case .started(_, let process, _) = events(of: instance).first else { return nil }
            return process
        }
    }
}
