/// How often the instances of a worker went from one state to another.
package struct StateArrows: Equatable, Sendable {
    /// One for each pair, by the order of `InstanceState.allCases`.
    private var counts = [UInt64](repeating: 0, count: InstanceState.allCases.count * InstanceState.allCases.count)

    package subscript(from: InstanceState, to: InstanceState) -> UInt64 { counts[Self.index(from, to)] }

    mutating func count(_ from: InstanceState, _ to: InstanceState) { counts[Self.index(from, to)] += 1 }

    private static func index(_ from: InstanceState, _ to: InstanceState) -> Int {
        place(from) * InstanceState.allCases.count + place(to)
    }

    private static func place(_ state: InstanceState) -> Int {
        switch state {
        case .new: 0
        case .ready: 1
        case .running: 2
        case .blocked: 3
        case .terminated: 4
        }
    }
}
