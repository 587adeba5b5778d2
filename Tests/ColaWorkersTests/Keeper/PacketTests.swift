import ColaWorkers
import Testing

/// The bytes between broker and keeper.
struct PacketTests {
    private static let spec = ProcessSpec(
        executable: "/bin/a", arguments: ["a", "é"], environment: ["B=c"], directory: "/d", user: 1, group: 2,
        groups: [3], umask: 0o27, nice: -1,
        limits: ProcessSpec.Limits(memoryBytes: 4, cpuSeconds: 5, openFiles: 6, coreBytes: 0, processes: 7),
        hasNoNewPrivileges: true)

    private static let requests: [(KeeperRequest, String)] = [
        (
            .spawn(SpawnID(1), ProcessSpec(executable: "a", arguments: ["b"])),
            """
            01 0100000000000000 01000000 61 01000000 01000000 62 00000000 00 00 00 00 00 00000000 00 00 00 00 00 00
            """
        ),
        (
            .spawn(SpawnID(0x0102), spec),
            """
            01 0201000000000000 06000000 2f62696e2f61 02000000 01000000 61 02000000 c3a9
            01000000 03000000 423d63 01 02000000 2f64 01 01000000 01 02000000 01 01000000 03000000
            01 1700 ffffffff 01 0400000000000000 01 0500000000000000 01 0600000000000000
            01 0000000000000000 01 0700000000000000 01
            """
        ),
        (.signal(SpawnID(3), number: 15, .tree), "02 0300000000000000 0f000000 02"),
        (.renice(SpawnID(3), value: -5), "03 0300000000000000 fbffffff"),
    ]

    private static let events: [(KeeperEvent, String)] = [
        (.ready(residentBytes: 4096), "81 0010000000000000"),
        (.started(SpawnID(1), process: 258, startTime: 9), "82 0100000000000000 02010000 0900000000000000"),
        (
            .failed(SpawnID(2), StartFailure(step: .exec, error: 2, description: "no")),
            "83 0200000000000000 11 02000000 02000000 6e6f"
        ),
        (
            .exited(SpawnID(3), .code(75), ResourceUsage(userMicroseconds: 1, residentBytesMost: 2)),
            "84 0300000000000000 00 4b000000 0100000000000000 0000000000000000 0200000000000000"
        ),
        (
            .exited(SpawnID(3), .signal(9, isCoreDumped: false), ResourceUsage()),
            "84 0300000000000000 01 09000000 0000000000000000 0000000000000000 0000000000000000"
        ),
        (
            .exited(SpawnID(3), .signal(11, isCoreDumped: true), ResourceUsage(systemMicroseconds: -1)),
            "84 0300000000000000 02 0b000000 0000000000000000 ffffffffffffffff 0000000000000000"
        ),
        (.swept(SpawnID(4), survivorsKilled: 5), "85 0400000000000000 05000000"),
        (.reniced(SpawnID(4), error: 13), "86 0400000000000000 0d000000"),
    ]

    @Test func requestsAreTheseBytes() throws {
        for (request, hex) in Self.requests {
            #expect(request.packet == bytes(hex))
            #expect(try KeeperRequest(packet: bytes(hex)) == request)
        }
    }

    @Test func eventsAreTheseBytes() throws {
        for (event, hex) in Self.events {
            #expect(event.packet == bytes(hex))
            #expect(try KeeperEvent(packet: bytes(hex)) == event)
        }
    }

    @Test func noPrefixIsAPacketAndNothingMayFollow() {
        for packet in Self.requests.map(\.0.packet) {
            for count in packet.indices {
                #expect(throws: Packet.Malformed.self) { try KeeperRequest(packet: Array(packet[..<count])) }
            }
            #expect(throws: Packet.Malformed.self) { try KeeperRequest(packet: packet + [0]) }
        }
        for packet in Self.events.map(\.0.packet) {
            for count in packet.indices {
                #expect(throws: Packet.Malformed.self) { try KeeperEvent(packet: Array(packet[..<count])) }
            }
            #expect(throws: Packet.Malformed.self) { try KeeperEvent(packet: packet + [0]) }
        }
    }

    /// Whatever is read can be written, and is the same then: no byte has two meanings or none.
    @Test func anyChangedByteIsRefusedOrMeansWhatItSays() {
        for packet in Self.requests.map(\.0.packet) {
            for index in packet.indices {
                for value: UInt8 in [0, 1, 2, 127, 128, 255] {
                    var changed = packet
                    changed[index] = value
                    if let request = try? KeeperRequest(packet: changed) { #expect(request.packet == changed) }
                    if let event = try? KeeperEvent(packet: changed) { #expect(event.packet == changed) }
                }
            }
        }
    }

    @Test(arguments: [
        ("04", "there is no request 4"), ("03 0300000000000000 14000000", "niceness 20 is not between -20 and 19"),
        ("81", "there is no request 129"),
        ("02 0300000000000000 00000000 00", "signal 0 is not between 1 and 64"),
        ("02 0300000000000000 41000000 00", "signal 65 is not between 1 and 64"),
        ("02 0300000000000000 01000000 03", "there is no scope 3"),
        ("01 0300000000000000 ffffffff", "it ends within executable"),
        ("01 0300000000000000 01000000 ff", "executable is not UTF-8"),
        ("01 0300000000000000 00000000 ffffffff", "it ends within arguments"),
        ("01 0300000000000000 00000000 00000000 00000000 02", "directory is 2, and must be 0 or 1"),
    ])
    func aMalformedRequestSaysWhatIsWrong(hex: String, reason: String) {
        #expect(throws: Packet.Malformed(description: reason)) { try KeeperRequest(packet: bytes(hex)) }
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }
}
