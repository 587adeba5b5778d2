import ArgumentParser

extension CompletionKind {
    /// Names of the queues of the broker that the shell's COLA_URL leads to; nothing if there is none.
    static let queues = listed("queues")
    static let topics = listed("topics")
    static let exchanges = listed("exchanges")
    /// Queues and topics.
    static let names = listed("queues", "topics")
    /// Everything that `cola describe` and `cola delete` name.
    static let everything = listed("queues", "topics", "exchanges", "vhosts", "policies")

    /// Workers and their instances; the first of all processes is the broker's own.
    static let workers = CompletionKind.shellCommand(
        "cola workers 2>/dev/null | sed '1d;s/  .*//'; cola ps 2>/dev/null | sed '1,2d;s/  .*//'")

    /// The first columns of listings: what stands before two spaces. The same words in bash, zsh and fish.
    private static func listed(_ listings: String...) -> CompletionKind {
        .shellCommand(listings.map { "cola \($0) 2>/dev/null | sed '1d;s/  .*//'" }.joined(separator: "; "))
    }
}
