/// A signal by its number, with the names that people write.
///
/// The numbers are Linux's on every processor that Swift runs on; those that differ elsewhere are not in the table.
package struct Signal: Hashable, Sendable, CustomStringConvertible {
    package let number: Int32

    package init(_ number: Int32) { self.number = number }

    /// By name, with or without `SIG`, in any case, or by number, 1 to 64.
    package init?(_ text: String) {
        let upper = text.uppercased()
        let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
        if let entry = Self.names.first(where: { $0.name == name }) {
            self.init(entry.number)
        } else if let number = Int32(text), (1...64).contains(number), text.first != "+" {
            self.init(number)
        } else {
            return nil
        }
    }

    package static let kill = Signal(9)
    package static let terminate = Signal(15)
    package static let proceed = Signal(18)
    package static let stop = Signal(19)

    private static let names: [(name: String, number: Int32)] = [
        ("HUP", 1), ("INT", 2), ("QUIT", 3), ("ILL", 4), ("TRAP", 5), ("ABRT", 6), ("BUS", 7), ("FPE", 8), ("KILL", 9),
        ("USR1", 10), ("SEGV", 11), ("USR2", 12), ("PIPE", 13), ("ALRM", 14), ("TERM", 15), ("CHLD", 17), ("CONT", 18),
        ("STOP", 19), ("TSTP", 20), ("TTIN", 21), ("TTOU", 22), ("XCPU", 24), ("XFSZ", 25), ("WINCH", 28), ("SYS", 31),
    ]

    package var description: String {
        Self.names.first { $0.number == number }.map { "SIG\($0.name)" } ?? "signal \(number)"
    }
}
