/// What a line begins with, but for `pub`, which has a path of its own.
///
/// Source: `protocol/native.md` section 3
enum Verb: String {
    case hello, ping, beat, quit
    case declare, delete, bind, unbind, purge
    case pubs
    case consume, credit, cancel, ack, nack, reject, get, peek, commit
    case list, stat

    /// How many words follow it; only what comes behind them is an option, whatever a word looks like.
    var wordCount: Int {
        switch self {
        case .ping, .beat, .quit, .stat: 0
        case .hello, .purge, .consume, .cancel, .ack, .nack, .reject, .get, .peek, .list: 1
        case .declare, .delete, .bind, .unbind, .pubs, .credit: 2
        case .commit: 3
        }
    }

    var isAllowedBeforeHello: Bool {
        switch self {
        case .hello, .ping, .beat, .quit: true
        default: false
        }
    }
}
