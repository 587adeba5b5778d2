internal import ColaCore
internal import ColaServer

/// What a seed decides before a run begins: how tight the server's limits are, how the network and the disk behave, and
/// how often what goes wrong.
struct Plan {
    var options = EmbeddedServer.Options()
    var clients: Int
    /// Of four clients, so many speak AMQP 0-9-1.
    var amqpOfFour: Int
    /// How long clients do as they please. Nanoseconds.
    var duration: Int64
    /// How long a client thinks between two things it does. Nanoseconds.
    var thinkMost: Int64
    /// Of 10,000 commits, so many go wrong in each of the ways.
    var commitFaults: Int
    /// The disk is this slow. Nanoseconds.
    var commitMost: Int64
    var readMost: Int64
    /// Of 1,000 reads, so many fail.
    var readFaults: Int
    /// Time between two faults of network, clock or process. Nanoseconds.
    var faultMost: Int64
    /// Whether the clock on the wall is set. Where it is not, windows of time hold over restarts too.
    var clockJumps: Bool
    var latencyMost: Int64
    var window: Int
    var highWaterMark: Int
    /// Whether some clients acknowledge at once what they get.
    var hasPromptClients = true

    /// What the server may have written to one connection that did not take it (G10): what a socket takes before it
    /// says that it is full, a window of deliveries, one peek, one message of 3,000 bytes beyond either, and the
    /// answers to what one burst of reads asked for. Bytes.
    var outputBytesMost: Int {
        highWaterMark + options.limits.windowBytes + options.limits.peekBytesMax + 2 * 3_000 + 2_000
    }

    /// What of records the server may keep in memory (G10): its cache, the batch that gathers, and the bursts that were
    /// read before it was full. Bytes.
    var memoryMost: Int { options.limits.cacheBytesMax + options.limits.gatheringBytesMax + clients * 16_000 }

    init(_ random: inout SplitMix64) {
        func pick<Value>(_ values: [Value], _ random: inout SplitMix64) -> Value {
            values[Int.random(in: 0..<values.count, using: &random)]
        }
        var limits = Limits()
        limits.cacheBytesMax = pick([0, 300, 3_000, 1 << 26], &random)
        limits.readBytesMax = pick([1, 200, 1 << 20], &random)
        limits.windowBytes = pick([200, 2_000, 1 << 20], &random)
        limits.unackedPerChannelMax = pick([3, 20, 1_000], &random)
        limits.gatheringBytesMax = pick([300, 3_000, 1 << 22], &random)
        limits.heldAnswersMax = pick([2, 10_000], &random)
        limits.lazyCommitMilliseconds = pick([1, 20], &random)
        limits.peekBytesMax = pick([100, 4_000], &random)
        limits.inboxBytesMax = pick([2_000, 1 << 27], &random)
        options.limits = limits
        clients = Int.random(in: 2...6, using: &random)
        amqpOfFour = pick([0, 1, 2, 4], &random)
        duration = Int64.random(in: 500...4_000, using: &random) * 1_000_000
        thinkMost = pick([4_000_000, 20_000_000, 60_000_000], &random)
        commitFaults = pick([0, 30, 120], &random)
        commitMost = pick([200_000, 3_000_000, 30_000_000], &random)
        readMost = pick([100_000, 5_000_000], &random)
        readFaults = pick([0, 0, 20], &random)
        faultMost = pick([300_000_000, 1_000_000_000, 10_000_000_000], &random)
        clockJumps = pick([true, false], &random)
        latencyMost = pick([20_000, 1_000_000, 20_000_000], &random)
        window = pick([1, 500, 1 << 20], &random)
        highWaterMark = pick([0, 1_000, 1 << 18], &random)
        options.limits.isDeliveryEarly = pick([true, true, false], &random)
    }
}
