import ArgumentParser

/// A worker, or one instance of it, as it is typed: `resize` or `resize/7`.
struct WorkerTarget: Sendable {
    let worker: String
    /// Nil: the worker as a whole.
    let instance: Int64?

    /// As it is typed.
    var name: String { instance.map { "\(worker)/\($0)" } ?? worker }

    init(_ text: String) throws {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let digits = parts.count > 1 ? parts[1] : "1"
        guard let name = parts.first, !name.isEmpty, let number = Int64(digits), number > 0, digits.first != "+",
            digits.first != "0"
        else {
            throw ValidationError(
                "'\(text)' is neither a worker nor one of its instances, which is WORKER/NUMBER; `cola ps` lists them")
        }
        worker = String(name)
        instance = parts.count > 1 ? number : nil
    }
}
