import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The terminal while a program has the whole of it: another screen without a cursor, and keys that come one by one.
///
/// ``restore()`` puts everything back, as often as it is called and from any thread, so that a signal's handler can.
final class FullScreen: Sendable {
    private let saved: Mutex<termios?>

    /// - Throws: ``Failure`` if standard input is no terminal.
    init() throws {
        var settings = termios()
        guard tcgetattr(0, &settings) == 0 else {
            throw Failure(.internalError, "cannot read the settings of the terminal: \(systemError())")
        }
        saved = Mutex(settings)
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
        withUnsafeMutableBytes(of: &settings.c_cc) { characters in
            // A stopped program would leave its screen behind.
            characters[Int(VSUSP)] = 0
            characters[Int(VMIN)] = 0
            characters[Int(VTIME)] = 0
        }
        _ = tcsetattr(0, TCSANOW, &settings)
        Self.write("\u{1B}[?1049h\u{1B}[?25l")
    }

    func restore() {
        saved.withLock { saved in
            guard var settings = saved else { return }
            saved = nil
            Self.write("\u{1B}[?25h\u{1B}[?1049l")
            _ = tcsetattr(0, TCSANOW, &settings)
        }
    }

    private static func write(_ sequence: String) {
        var output = Output.standard()
        output.append { $0.append(contentsOf: sequence.utf8) }
        try? output.flush()
    }
}
