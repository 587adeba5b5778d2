import ArgumentParser

extension CompletionKind {
    /// Names of the queues of the broker that the shell's COLA_URL leads to; nothing if there is none.
    static let names = CompletionKind.shellCommand("cola queues 2>/dev/null | awk 'NR > 1 { print $1 }'")
}
