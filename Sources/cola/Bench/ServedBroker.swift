import ColaClient

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A `cola serve` of this same executable on a folder of its own, for the time of a measurement.
struct ServedBroker {
    let process: pid_t
    let url: ColaURL
    private let output: Int32

    /// Starts it with the settings that it has by default, whatever the environment and the folder hold, and waits
    /// until it is ready.
    init(folder: String, arguments extra: [String]) throws {
        let socket = "\(folder)/cola.sock"
        url = ColaURL(.unix(path: socket))
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Failure(.internalError, "cannot make a pipe: \(systemError())") }
        output = ends[0]
        _ = fcntl(output, F_SETFD, FD_CLOEXEC)
        let arguments =
            [
                "serve", "--data-dir", "\(folder)/data", "--socket", socket, "--native", "off", "--amqp", "off",
                "--kafka", "off",
                "--log-level", "warning",
                "--config", "/dev/null",
            ] + extra
        process = try Self.spawn(arguments, output: ends[1])
        close(ends[1])
        do {
            try awaitReady(within: 15_000_000_000)
        } catch {
            stop()
            throw error
        }
    }

    /// Asks it to stop and does not wait. Only before ``stop()``: afterwards the process id is nobody's.
    func requestStop() { kill(process, SIGTERM) }

    /// Asks it to stop, and makes it after ten seconds.
    func stop() {
        kill(process, SIGTERM)
        let deadline = monotonicNanoseconds() + 10_000_000_000
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) == 0 {
            if monotonicNanoseconds() > deadline { kill(process, SIGKILL) }
            usleep(10_000)
        }
        close(output)
    }

    private func awaitReady(within nanoseconds: Int64) throws {
        let deadline = monotonicNanoseconds() + nanoseconds
        var text = ""
        while monotonicNanoseconds() < deadline {
            var waited = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard poll(&waited, 1, 100) > 0 else { continue }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = read(output, &bytes, bytes.count)
            guard count > 0 else { break }
            text += String(decoding: bytes.prefix(count), as: UTF8.self)
            if text.contains("cola ready") { return }
        }
        throw Failure(.unavailable, "`cola serve` did not become ready; what it said is above")
    }

    private static func spawn(_ arguments: [String], output: Int32) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        let path = executable() ?? "cola"
        var strings: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var process: pid_t = 0
        var environment = inheritedEnvironment()
        let code = posix_spawn(&process, path, &actions, nil, &strings, &environment)
        guard code == 0 else { throw Failure(.internalError, "cannot start `cola serve`: \(systemError(code))") }
        return process
    }

    /// The environment without settings; what it points to belongs to `environ`.
    private static func inheritedEnvironment() -> [UnsafeMutablePointer<CChar>?] {
        var kept: [UnsafeMutablePointer<CChar>?] = []
        var entry = environ
        while let text = entry.pointee {
            if strncmp(text, "COLA_", 5) != 0 { kept.append(text) }
            entry += 1
        }
        return kept + [nil]
    }

    /// The path of this program.
    private static func executable() -> String? {
        var path = [UInt8](repeating: 0, count: 4096)
        let length = path.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink("/proc/self/exe", $0.assumingMemoryBound(to: CChar.self), bytes.count) }
                ?? 0
        }
        return length > 0 ? String(decoding: path.prefix(length), as: UTF8.self) : nil
    }
}
