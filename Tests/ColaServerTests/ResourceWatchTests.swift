import ColaCore
import Testing

@testable import ColaServer

@Suite struct ResourceWatchTests {
    /// What the machine says, as the test likes it.
    private final class Machine {
        var free: Int? = 1_000
        var resident: Int? = 10
        /// What the allocator keeps though it is free.
        var kept = 0

        func watch() -> ResourceWatch {
            let readings = ResourceWatch.Readings(
                freeDiskBytes: { [unowned self] in free },
                residentBytes: { [unowned self] in resident.map { $0 + kept } },
                releaseFreeMemory: { [unowned self] in kept = 0 })
            return ResourceWatch(readings, freeDiskMin: 800, memoryMax: 160)
        }
    }

    private let machine = Machine()

    @Test func scarceDiskSpaceIsToldOnceAndWhenItIsOver() {
        var watch = machine.watch()
        #expect(watch.look().isEmpty)
        machine.free = 799
        #expect(watch.look().map(\.alarm) == [.disk])
        #expect(watch.look().isEmpty)
        #expect(watch.isAlarmed)
        machine.free = 899  // an eighth beyond the limit, so that it does not flutter
        #expect(watch.look().isEmpty)
        machine.free = 900
        #expect(watch.look() == [ResourceWatch.Change(alarm: .disk, sentence: nil)])
        #expect(!watch.isAlarmed)
    }

    @Test func theSentenceNamesTheLimitAndItsSetting() {
        var watch = machine.watch()
        machine.free = 0
        let sentence = watch.look().first?.sentence ?? ""
        #expect(sentence.contains("disk-free-min"))
        #expect(sentence.contains("publishers wait"))
    }

    @Test func memoryThatTheAllocatorKeepsIsNoAlarm() {
        var watch = machine.watch()
        machine.kept = 1_000
        #expect(watch.look().isEmpty)
        machine.resident = 161
        #expect(watch.look().map(\.alarm) == [.memory])
        machine.resident = 151
        #expect(watch.look().isEmpty)
        machine.resident = 150
        #expect(watch.look() == [ResourceWatch.Change(alarm: .memory, sentence: nil)])
    }

    @Test func aMachineThatSaysNothingRaisesNoAlarm() {
        var watch = machine.watch()
        (machine.free, machine.resident) = (nil, nil)
        #expect(watch.look().isEmpty)
    }

    @Test func thisMachineSaysSomething() throws {
        let machine = MachineResources(directory: "/")
        #expect(try #require(machine.residentBytes) > 1 << 20)
        #expect(machine.freeDiskBytes != nil)
        #expect(MachineResources.memoryBytes > 1 << 26)
    }
}
