#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

// The few calls of the C library that the commands need, in one place because its name differs between platforms.

/// A reader that went away is met as an error of `write`, not as a signal.
func ignoreBrokenPipes() { _ = signal(SIGPIPE, SIG_IGN) }

func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
}

/// Whether a person sits at the other end of a standard stream: then a progress bar is welcome, and only then.
enum Terminal {
    static var isStandardInput: Bool { isatty(0) == 1 }
    static var isStandardError: Bool { isatty(2) == 1 }
}

/// Monotonic nanoseconds since an arbitrary start, the same for every process of the machine.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// What the last failed call of the C library said.
func systemError(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

func exitProcess(_ code: Int32) -> Never { exit(code) }
