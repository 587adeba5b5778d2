/// Notices a server that sets itself a timer for now, whenever that timer fires.
///
/// Its clock is read in each of its turns, so one that is read again and again while no time passes is the sign of it.
/// From then on the clock is late, so that the turn of the loop ends and can be told of.
///
/// Unchecked: a simulation has one thread.
final class Spinning: @unchecked Sendable {
    private var last: Int64 = -1
    private var reads = 0
    private(set) var isFound = false

    /// More than any server reads its clock at one moment.
    private static let readsMost = 50_000

    /// - Returns: what the clock is to be late by. Nanoseconds.
    func delay(at time: Int64) -> Int64 {
        if time != last { (last, reads) = (time, 0) }
        reads += 1
        if reads > Self.readsMost { isFound = true }
        return isFound ? 3_600_000_000_000 : 0
    }
}
