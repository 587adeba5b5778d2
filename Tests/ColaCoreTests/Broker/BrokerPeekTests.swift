import ColaCore
import ColaTesting
import Testing

/// Looking through a queue page by page, and at one message of many priorities.
@Suite struct BrokerPeekTests {
    private struct Page {
        var bodies: [String] = []
        var next: PeekPosition?
    }

    private func scene(isDurable: Bool = true, _ change: (inout Limits) -> Void = { _ in }) -> Scene {
        var limits = Limits()
        change(&limits)
        let scene = Scene(limits: limits)
        scene.declare("q", isDurable: isDurable) { $0.maxPriority = 9 }
        return scene
    }

    /// Seven of each of three priorities, of which some are handed out and some are done.
    private func fill(_ scene: Scene) -> [String] {
        let channel = scene.attach()
        for number in 0..<7 {
            for priority: UInt8 in [0, 9, 4] {
                scene.put("\(priority)-\(number)", to: "q", priority: priority, from: channel)
            }
        }
        scene.rest()
        let taker = scene.attach()
        scene.consume("q", prefetch: 10, from: taker)
        scene.rest()
        scene.settle(2, 2, .acknowledge, from: taker)
        scene.settle(9, 9, .acknowledge, from: taker)
        scene.rest()
        scene.broker.detach(channel)
        return [9, 4, 0].flatMap { priority in (0..<7).map { "\(priority)-\($0)" } }
            .filter { $0 != "9-1" && $0 != "4-1" }
    }

    private func look(_ scene: Scene, from position: PeekPosition?, count: Int) -> Page? {
        let channel = scene.attach()
        var page: Page?
        scene.broker.effectListener = { effect in
            guard case .reply(channel, _, .peeked(let deliveries, let next)) = effect else { return }
            let bodies = deliveries.map { String(decoding: $0.data[$0.entry.value.range], as: UTF8.self) }
            page = Page(bodies: bodies, next: next)
        }
        let request = Request.peek(
            name: "q", partition: 0, priority: position?.priority, from: position?.offset ?? Offset(0), count: count)
        scene.broker.send(request, from: channel)
        scene.rest()
        scene.broker.effectListener = nil
        scene.broker.detach(channel)
        return page
    }

    private func lookThrough(_ scene: Scene, count: Int) throws -> [String] {
        var bodies: [String] = []
        var position: PeekPosition?
        repeat {
            let page = try #require(look(scene, from: position, count: count))
            #expect(page.bodies.count <= count)
            bodies += page.bodies
            position = page.next
        } while position != nil && bodies.count < 100
        return bodies
    }

    @Test(arguments: [1, 2, 3, 5, 7, 8, 19, 20, 1000])
    func pagesOfAnySizeBringEveryMessageOnceInItsOrder(count: Int) throws {
        let scene = scene { $0.cacheBytesMax = 0 }
        let expected = fill(scene)
        #expect(try lookThrough(scene, count: count) == expected)
    }

    @Test(arguments: [1, 10, 30, 100])
    func pagesThatEndForTheirBytesDoSo(bytes: Int) throws {
        let scene = scene { $0.peekBytesMax = bytes }
        let expected = fill(scene)
        #expect(try lookThrough(scene, count: 1000) == expected)
    }

    /// Of what is in memory alone, and of what had to be written for want of memory, too.
    @Test(arguments: [(100, 1000), (100, 4), (1 << 20, 4), (100, 1)])
    func soDoThoseOfATransientQueue(pinnedBytesMax: Int, count: Int) throws {
        let scene = scene(isDurable: false) {
            $0.pinnedBytesMax = pinnedBytesMax
            $0.cacheBytesMax = 0
            $0.peekBytesMax = 40
        }
        let expected = fill(scene)
        #expect(try lookThrough(scene, count: count) == expected)
    }

    @Test func aPositionThatIsNotThereIsTheNextOne() throws {
        let scene = scene()
        let expected = fill(scene)
        let below = try #require(look(scene, from: PeekPosition(priority: 8, offset: Offset(3)), count: 1000))
        #expect(below.bodies == expected.filter { !$0.hasPrefix("9") })
        let above = try #require(look(scene, from: PeekPosition(priority: 200, offset: Offset(6)), count: 2))
        #expect(above.bodies == ["9-6", "4-0"])
        #expect(above.next == PeekPosition(priority: 4, offset: Offset(1)))
        let behind = try #require(look(scene, from: PeekPosition(priority: 0, offset: Offset(7)), count: 1))
        #expect(behind.bodies == [] && behind.next == nil)
    }

    @Test func nothingIsSaidToFollowTheLast() throws {
        let scene = scene()
        let count = fill(scene).count
        #expect(try #require(look(scene, from: nil, count: count)).next == nil)
        let page = try #require(look(scene, from: nil, count: count - 1))
        #expect(page.next == PeekPosition(priority: 0, offset: Offset(6)))
    }

    @Test func eachPriorityCountsItsOwnOffsets() {
        let scene = scene()
        _ = fill(scene)
        #expect(scene.why("q", 0, priority: 9).text("state") == "unacknowledged")
        #expect(scene.why("q", 0, priority: 9).number("delivery") == 1)
        #expect(scene.why("q", 0, priority: 4).number("delivery") == 8)
        #expect(scene.why("q", 1, priority: 9).text("state") == "settled")
        #expect(scene.why("q", 1, priority: 255).number("priority") == 9)
        #expect(scene.why("q", 0).text("state") == "ready")
        #expect(scene.why("q", 7, priority: 9).text("state") == "unknown")
        let never = scene.why("q", 0, priority: 3)
        #expect(never.text("state") == "unknown" && never.text("because")?.contains("priority 3") == true)
    }
}
