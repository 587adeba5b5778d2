import ColaCore
import ColaTesting
import Testing

/// The schedule against a sorted list of all that waits, over a store that is always behind: changes reach it in their
/// order, but only some time later, and a reading finds what was there before it began and as much of the rest as the
/// seed wants.
@Suite struct SchedulePropertyTests {
    private enum Change {
        case insert(ScheduleKey, bytes: Int)
        case remove(ScheduleKey)
    }

    private struct World {
        var random: SplitMix64
        var schedule: Schedule<Int64>
        let countMax: Int
        var now: Int64 = 0
        var nextID: Int64 = 0
        /// All that wait, in the order of their keys.
        var waiting: [ScheduleKey] = []

        var stored: [(key: ScheduleKey, bytes: Int)] = []
        var uncommitted: [Change] = []
        var reading: Schedule<Int64>.Reading?
        var popped = 0
        var loads = 0

        init(seed: UInt64) {
            random = SplitMix64(seed: seed)
            countMax = Int.random(in: 1...5, using: &random)
            let before = Int.random(in: 0...10, using: &random)
            schedule = Schedule(
                storedCount: before, countMax: countMax, bytesMax: [3, 8, 1_000].randomElement(using: &random)!)
            for _ in 0..<before {
                let key = newKey()
                waiting.append(key)
                stored.append((key, 1))
            }
            waiting.sort()
            stored.sort { $0.key < $1.key }
        }

        mutating func newKey() -> ScheduleKey {
            nextID += 1
            return ScheduleKey(due: Timestamp(now + Int64.random(in: -3...20, using: &random)), id: ScheduleID(nextID))
        }

        /// The first `count` changes reach the store.
        mutating func commit(_ count: Int) {
            for change in uncommitted.prefix(count) {
                switch change {
                case .insert(let key, let bytes):
                    stored.insert((key, bytes), at: stored.firstIndex { $0.key > key } ?? stored.count)
                case .remove(let key): stored.removeAll { $0.key == key }
                }
            }
            uncommitted.removeFirst(count)
        }

        mutating func insert() {
            let key = newKey()
            let bytes = Int.random(in: 1...4, using: &random)
            waiting.insert(key, at: waiting.firstIndex { $0 > key } ?? waiting.count)
            uncommitted.append(.insert(key, bytes: bytes))
            schedule.insert(key, bytes: bytes, item: key.id.rawValue)
        }

        mutating func remove() {
            guard let key = waiting.randomElement(using: &random) else { return }
            waiting.removeAll { $0 == key }
            uncommitted.append(.remove(key))
            if let item = schedule.remove(key) { #expect(item == key.id.rawValue) }
        }

        mutating func pop() {
            guard let (key, item) = schedule.popDue(at: Timestamp(now)) else { return }
            #expect(key == waiting.first)
            #expect(item == key.id.rawValue)
            #expect(key.due.rawValue <= now)
            waiting.removeAll { $0 == key }
            uncommitted.append(.remove(key))
            popped += 1
        }

        mutating func startLoading() {
            guard reading == nil else { return }
            let needed = schedule.needsLoading
            reading = schedule.startLoading()
            #expect(reading?.after == needed)
            if reading != nil {
                commit(uncommitted.count)
                loads += 1
            }
        }

        mutating func finishLoading() {
            guard let reading else { return }
            self.reading = nil
            if Int.random(in: 0..<10, using: &random) == 0 { return schedule.loaded([], isComplete: false) }
            commit(Int.random(in: 0...uncommitted.count, using: &random))
            var found: [Schedule<Int64>.Entry] = []
            var bytes = 0
            let rest = stored.filter { $0.key > reading.after }
            for (key, size) in rest.prefix(reading.count) {
                bytes += size
                if bytes > reading.bytes, !found.isEmpty { break }
                found.append(Schedule.Entry(key: key, bytes: size, item: key.id.rawValue))
            }
            // A reading may always bring less, as long as it brings something.
            if found.count > 1, Bool.random(using: &random) { found.removeLast() }
            schedule.loaded(found, isComplete: found.count == rest.count)
        }

        func check() {
            #expect(schedule.storedCount == waiting.count)
            #expect(schedule.count <= countMax)
            // The timer is never later than the first one is due.
            if let first = waiting.first, reading == nil {
                #expect(schedule.nextDue.map { $0 <= first.due } ?? false)
            }
        }
    }

    @Test(arguments: Seeds.of(100)) func nothingIsLostDoubledOrOutOfOrder(seed: UInt64) {
        var world = World(seed: seed)
        for _ in 0..<300 {
            switch Int.random(in: 0..<16, using: &world.random) {
            case 0..<5: world.insert()
            case 5: world.remove()
            case 6..<9: world.pop()
            case 9..<11: world.startLoading()
            case 11..<13: world.finishLoading()
            case 13:
                let count = Int.random(in: 0...world.uncommitted.count, using: &world.random)
                // Until the reading begins, the store may be as far behind as it likes.
                world.commit(count)
            default: world.now += Int64.random(in: 0...6, using: &world.random)
            }
            world.check()
        }
        // In the end everything comes, in order, after a bounded number of steps.
        world.now = .max / 2
        for _ in 0..<20_000 where !world.waiting.isEmpty {
            world.pop()
            world.startLoading()
            world.finishLoading()
            world.check()
        }
        #expect(world.waiting.isEmpty, "\(world.waiting.count) never came")
        #expect(world.popped > 25 && world.loads > 3)
    }
}
