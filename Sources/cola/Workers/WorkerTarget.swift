import ArgumentParser

/// A worker, or one instance of it, as it is typed: `resize` or `resize/7`.
struct WorkerTarget: ExpressibleByArgument {
    let worker: String
    /// Nil: the worker as a whole.
    let instance: Int64?

    init?(argument: String) {
        let parts = argument.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, !name.isEmpty else { return nil }
        worker = String(name)
        guard parts.count > 1 else {
            instance = nil
            return
        }
        guard let number = Int64(parts[1]), number > 0, parts[1].first != "+", parts[1].first != "0" else { return nil }
        instance = number
    }
}
