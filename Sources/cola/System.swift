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

/// Puts something in the place of standard streams that the caller has closed.
///
/// Otherwise the next file or socket that is opened gets the number of one of them, and what is printed goes into it.
/// Each is opened the wrong way round, so that using it is an error as it would have been.
func occupyClosedStreams() {
    for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
        // The lowest free number is taken, and those below are occupied by now.
        _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
}

/// The number of the first argument that is not UTF-8, counted from 1; nil if all are.
func firstArgumentThatIsNotUTF8() -> Int? {
    (1..<max(1, Int(CommandLine.argc))).first { number in
        CommandLine.unsafeArgv[number].map { String(validatingCString: $0) == nil } ?? false
    }
}

func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
}

/// What can be at a path, as far as the commands tell it apart.
enum FileKind { case missing, directory, file, unknown }

/// What is at the path; `unknown` if that may not be seen.
func fileKind(_ path: String) -> FileKind {
    var status = stat()
    guard stat(path, &status) == 0 else { return errno == ENOENT ? .missing : errno == ENOTDIR ? .file : .unknown }
    return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
}

/// The size of a file; 0 if it cannot be seen.
func fileBytes(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
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
