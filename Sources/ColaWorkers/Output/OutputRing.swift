package import DequeModule

/// The last lines of a worker, as many as have room in memory.
package struct OutputRing: Sendable {
    private let bytesMax: Int
    private var bytes = 0
    package private(set) var lines: Deque<OutputLine> = []
    /// How many lines there have been.
    package private(set) var count: Int64 = 0

    /// - Parameter bytesMax: of all lines together (``OutputLine/cost``). The last one stays in any case.
    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    package mutating func append(_ line: OutputLine) {
        lines.append(line)
        bytes += line.cost
        count += 1
        while bytes > bytesMax, lines.count > 1, let first = lines.popFirst() { bytes -= first.cost }
    }

    /// How many lines there were before the first that is still here.
    package var gone: Int64 { count - Int64(lines.count) }
}
