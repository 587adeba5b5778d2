/// What is answered to a ``WorkerRequest``.
package enum WorkerAnswer: Equatable, Sendable {
    /// Sorted by name.
    case rows([Description])
    case description(Description)
    /// It was asked for; that it has happened is to be seen of the processes.
    case done
    /// Good for one connection.
    case token(String)
}
