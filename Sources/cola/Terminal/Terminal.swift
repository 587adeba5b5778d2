#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Whether a person sits at the other end of a standard stream: then a progress bar is welcome, and only then.
enum Terminal {
    /// Characters that fit on the screen.
    struct Size: Equatable, Sendable {
        var columns: Int
        var rows: Int
    }

    static var isStandardInput: Bool { isatty(0) == 1 }
    static var isStandardOutput: Bool { isatty(1) == 1 }
    static var isStandardError: Bool { isatty(2) == 1 }

    /// Of the terminal at standard output; 80 by 24 where it does not say.
    static var size: Size {
        var window = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
            return Size(columns: 80, rows: 24)
        }
        return Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
    }

    /// Runs `body` while what is typed is not shown.
    static func withoutEcho<Result>(_ body: () -> Result) -> Result {
        var before = termios()
        guard tcgetattr(0, &before) == 0 else { return body() }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSAFLUSH, &silent)
        defer { tcsetattr(0, TCSAFLUSH, &before) }
        return body()
    }

    /// The next byte that was typed, if there is one already; nil also at the end of the input.
    static func typedByte() -> UInt8? {
        var descriptors = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptors, 1, 0) == 1 else { return nil }
        var byte: UInt8 = 0
        return read(0, &byte, 1) == 1 ? byte : nil
    }
}
