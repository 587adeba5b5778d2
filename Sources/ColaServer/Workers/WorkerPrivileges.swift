internal import ColaWorkers

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

extension Settings {
    /// Why the workers must not be started: to define one is to run a program as the server's user, which is for the
    /// owner of the configuration alone.
    ///
    /// - Throws: ``Server/Failure`` with exit code 78, of a configuration that cannot be trusted.
    func checkWorkers() throws(Server.Failure) {
        guard !workers.isEmpty else { return }
        if let path = configurationPath {
            var status = stat()
            if stat(path, &status) == 0 {
                if status.st_mode & 0o022 != 0 {
                    throw Server.Failure(
                        exitCode: 78,
                        description:
                            "others than its owner can write \(path), which defines workers: whoever can, can run "
                            + "programs as this server; chmod go-w \(path)")
                }
                if status.st_uid != getuid(), status.st_uid != 0 {
                    throw Server.Failure(
                        exitCode: 78,
                        description:
                            "\(path) defines workers and belongs to user \(status.st_uid), who could run programs "
                            + "as this server's user \(getuid()); chown it")
                }
            }
        }
        guard getuid() == 0, !runsWorkersAsRoot, let worker = workers.first(where: { $0.user == nil }) else { return }
        throw Server.Failure(
            exitCode: 78,
            description:
                "worker \(worker.name) names no user and would run as root: give it a user:, or start the server "
                + "as another user, or start it with --workers-as-root (in cola.yaml: workers-as-root: yes)")
    }
}
